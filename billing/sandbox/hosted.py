"""The pages that customers see at Stripe: Checkout and the billing portal."""

from __future__ import annotations

import datetime as dt
from html import escape
from urllib.parse import quote

from billing.sandbox import ledger
from billing.sandbox.errors import Refused
from billing.sandbox.store import Body, Store

NOTICE = "Sandbox: no money moves"
STYLE = """
:root { color-scheme: light dark; --page: #fff; --soft: #f7f7f5; --line: #e7e6e2; --text: #1d1c21;
  --muted: #56555d; --accent: #3453d0; --on-accent: #fff; --err: #a02320; --err-soft: #fdecea;
  --warn: #7a4800; --warn-soft: #fdf3e1; }
@media (prefers-color-scheme: dark) { :root { --page: #161619; --soft: #1d1d21; --line: #303036;
  --text: #ececee; --muted: #a9a8b0; --accent: #8ea2ff; --on-accent: #14182b; --err: #ff9a95;
  --err-soft: #3a1d1d; --warn: #f0be6c; --warn-soft: #33260f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, "Noto Sans", sans-serif; }
.notice { margin: 0; padding: .5rem 1rem; background: var(--warn-soft); color: var(--warn);
  text-align: center; font-size: .875rem; font-weight: 500; }
main { max-width: 26rem; margin: 0 auto; padding: 10vh 1rem 4rem; }
h1 { margin: 0; font-size: 1.5rem; line-height: 1.25; letter-spacing: -.01em; }
h2 { margin: 2rem 0 .5rem; font-size: 1rem; }
.sub, .hint { color: var(--muted); } .hint { font-size: .8125rem; margin: .375rem 0 0; }
.price { margin: 1.5rem 0; font-size: 2rem; font-weight: 600; letter-spacing: -.02em; }
.price small { font-size: .9375rem; font-weight: 400; color: var(--muted); letter-spacing: 0; }
label { display: block; margin-bottom: .25rem; font-size: .875rem; font-weight: 500; }
input { width: 100%; height: 2.75rem; padding: 0 .75rem; border: 1px solid var(--muted);
  border-radius: .375rem; background: var(--page); color: inherit; font: inherit; }
button, .button { display: block; width: 100%; min-height: 2.75rem; margin-top: 1rem;
  padding: .55rem 1rem; border: 1px solid var(--line); border-radius: .375rem;
  background: var(--soft); color: inherit; font: inherit; font-weight: 500; text-align: center;
  text-decoration: none; cursor: pointer; }
.main { border-color: var(--accent); background: var(--accent); color: var(--on-accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.problem { margin: 1rem 0; padding: .75rem 1rem; border-radius: .375rem;
  background: var(--err-soft); color: var(--err); }
dl { display: grid; grid-template-columns: auto 1fr; gap: .375rem 1.5rem; margin: 1.5rem 0 0; }
dt { color: var(--muted); } dd { margin: 0; text-align: right; } a { color: inherit; }
"""


def page(title: str, content: str) -> str:
    """Return a whole page."""
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="/style.css"></head><body>'
        f'<p class="notice" role="note">{NOTICE}</p><main>{content}</main></body></html>'
    )


def money(price: Body) -> str:
    """Return a price as people write it."""
    amount = f"{price['unit_amount'] / 100:,.2f}".removesuffix(".00")
    return f"€{amount}" if price["currency"] == "eur" else f"{amount} {price['currency'].upper()}"


def _day(moment: int) -> str:
    return f"{dt.datetime.fromtimestamp(moment, tz=dt.UTC):%-d %B %Y}"


def _problem(sentence: str) -> str:
    return f'<p class="problem" role="alert">{escape(sentence)}</p>' if sentence else ""


def _button(name: str, text: str, *, main: bool = False) -> str:
    kind = ' class="main"' if main else ""
    return (
        f'<form method="post"><button{kind} name="action" value="{escape(name)}">'
        f"{escape(text)}</button></form>"
    )


def _card_form(text: str, action: str) -> str:
    return (
        '<form method="post"><label for="number">Card number</label>'
        '<input id="number" name="number" inputmode="numeric" autocomplete="off" required'
        ' placeholder="4242 4242 4242 4242">'
        '<p class="hint">4242 4242 4242 4242 pays. 4000 0000 0000 0002 is declined. '
        "4000 0000 0000 0341 pays now and fails at the next renewal.</p>"
        f'<button class="main" name="action" value="{action}">{escape(text)}</button></form>'
    )


def success_url(session: Body) -> str:
    """Return where a paid Checkout leads."""
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", quote(session["id"]))


def checkout(store: Store, session: Body, problem: str = "") -> str:
    """Return the page of a Checkout session, whatever its state."""
    back = escape(session["cancel_url"] or session["success_url"])
    if session["status"] == "complete":
        done = escape(success_url(session))
        return page(
            "Paid",
            "<h1>This is paid</h1><p class=sub>The subscription has begun.</p>"
            f'<a class="button main" href="{done}">Go back</a>',
        )
    if session["status"] == "expired":
        return page(
            "Expired",
            "<h1>This page has expired</h1><p class=sub>Nothing was charged. Start again from the"
            f' plan.</p><a class="button main" href="{back}">Go back</a>',
        )
    price = store.get("price", session["_price"])
    product = store.get("product", price["product"])
    return page(
        "Checkout",
        f"<h1>Subscribe to {escape(product['name'])}</h1>"
        f'<p class="price">{money(price)} <small>a month</small></p>{_problem(problem)}'
        f'{_card_form("Subscribe", "pay")}<a class="button" href="{back}">Cancel and go back</a>',
    )


def checkout_post(store: Store, session: Body, fields: dict[str, str]) -> str:
    """Pay a Checkout session with the card of the form; return where to go.

    Raises:
        Refused: With the sentence for the page.
    """
    return success_url(ledger.complete(store, session, fields.get("number", "")))


def _latest(store: Store, session: Body) -> Body | None:
    rows = store.every("subscription", lambda one: one["customer"] == session["customer"])
    return next((one for one in rows if one["status"] in ledger.LIVE), rows[0] if rows else None)


def _others(store: Store, subscription: Body) -> list[Body]:
    now = subscription["items"]["data"][0]["price"]["id"]
    return store.every("price", lambda one: one["active"] and one["id"] != now)


def portal(store: Store, session: Body, problem: str = "") -> str:
    """Return the page of a portal session."""
    customer = store.get("customer", session["customer"])
    subscription = _latest(store, session)
    back = f'<a class="button" href="{escape(session["return_url"] or "/")}">Go back</a>'
    head = f"<h1>Billing</h1><p class=sub>{escape(customer['name'] or '')}</p>{_problem(problem)}"
    if subscription is None:
        return page("Billing", f"{head}<p>There is no subscription.</p>{back}")
    item, card = subscription["items"]["data"][0], ledger.card_of(store, customer)
    product = store.get("product", item["price"]["product"])
    ends = subscription["cancel_at_period_end"]
    facts = [
        ("Plan", f"{product['name']}, {money(item['price'])} a month"),
        ("Status", subscription["status"].replace("_", " ")),
        ("Ends on" if ends else "Paid until", _day(item["current_period_end"])),
        ("Card", f"ends in {card['card']['last4']}" if card else "none"),
    ]
    rows = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    acts = ""
    if subscription["status"] in ledger.LIVE:
        acts = _card_form("Use this card", "card")
        acts += "".join(
            _button(f"switch:{one['id']}", f"Switch to {_title(store, one)}")
            for one in _others(store, subscription)
        )
        acts += _button("resume", "Keep the plan") if ends else ""
        acts += "" if ends else _button("end", "Cancel at the end of the period")
        acts += _button("end_now", "Cancel now")
    return page("Billing", f"{head}<dl>{rows}</dl><h2>Change</h2>{acts}{back}")


def _title(store: Store, price: Body) -> str:
    return f"{store.get('product', price['product'])['name']}, {money(price)} a month"


def portal_post(store: Store, session: Body, fields: dict[str, str]) -> None:
    """Do what the portal's button says.

    Raises:
        Refused: With the sentence for the page.
    """
    subscription = _latest(store, session)
    action, _sep, price = fields.get("action", "").partition(":")
    if subscription is None or subscription["status"] not in ledger.LIVE:
        raise Refused("There is no subscription to change.")
    if action == "card":
        digits = ledger.checked_card(fields.get("number", ""))
        ledger.set_card(store, store.get("customer", session["customer"]), digits)
        ledger.pay(store, subscription)
    elif action in {"end", "resume"}:
        ledger.end_later(store, subscription, ends=action == "end")
    elif action == "end_now":
        ledger.end_now(store, subscription)
    elif action == "switch":
        ledger.switch(store, subscription, store.get("price", price))
    else:
        raise Refused("There is no such action. Use one of the buttons.")
