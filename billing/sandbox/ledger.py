"""What happens to customers and subscriptions, and the events that tell of it."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

from billing.sandbox.errors import Refused, declined
from billing.sandbox.store import Body, Store, fresh

API_VERSION = "2026-10-28.endive"
GOOD_LATER_BAD = "4000000000000341"
DECLINED = "4000000000000002"
LIVE = ("active", "trialing", "past_due")


def now() -> int:
    """Return the time in whole seconds, as Stripe counts it."""
    return int(time.time())


def a_month_after(moment: int) -> int:
    """Return the same day of the next month, or its last."""
    at = dt.datetime.fromtimestamp(moment, tz=dt.UTC)
    year, month = (at.year + 1, 1) if at.month == 12 else (at.year, at.month + 1)
    last = (dt.datetime(year, month, 1, tzinfo=dt.UTC) + dt.timedelta(days=31)).replace(day=1)
    day = min(at.day, (last - dt.timedelta(days=1)).day)
    return int(at.replace(year=year, month=month, day=day).timestamp())


def emit(store: Store, kind: str, thing: Body, before: Body | None = None) -> None:
    """Write an event about `thing` and send it to every endpoint."""
    data: Body = {"object": dict(thing)}
    if before:
        data["previous_attributes"] = before
    event = store.put(
        {
            "id": fresh("evt"), "object": "event", "api_version": API_VERSION, "created": now(),
            "type": kind, "livemode": False, "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None}, "data": data,
        }
    )  # fmt: skip
    for endpoint in store.every("webhook_endpoint", lambda one: one["status"] == "enabled"):
        if {"*", kind} & set(endpoint["enabled_events"]):
            store.deliver(event["id"], endpoint["id"])


def checked_card(number: str) -> str:
    """Return the digits of a card.

    Raises:
        Refused: 402, in Stripe's words, when the card is wrong or declined.
    """
    digits = "".join(one for one in number if one.isdigit())
    doubled = [int(one) * (2 if at % 2 else 1) for at, one in enumerate(reversed(digits))]
    if not 12 <= len(digits) <= 19 or sum(sum(divmod(one, 10)) for one in doubled) % 10:
        raise declined("Your card number is incorrect. Check it; nothing was charged.")
    if digits == DECLINED:
        raise declined("Your card was declined. Try another card; nothing was charged.")
    return digits


def set_card(store: Store, customer: Body, digits: str) -> None:
    """Give a customer a card."""
    card = {
        "id": fresh("pm"), "object": "payment_method", "type": "card", "created": now(),
        "customer": customer["id"], "livemode": False, "metadata": {},
        "card": {"brand": "visa", "last4": digits[-4:], "exp_month": 12, "exp_year": 2034},
        "_fails": digits == GOOD_LATER_BAD,
    }  # fmt: skip
    store.put(card)
    customer["invoice_settings"] = {"default_payment_method": card["id"]}
    store.put(customer)
    emit(store, "payment_method.attached", card)
    emit(store, "customer.updated", customer)


def card_of(store: Store, customer: Body) -> Body | None:
    """Return the customer's card."""
    name = customer["invoice_settings"]["default_payment_method"]
    return store.find(name) if name else None


def _invoice(store: Store, subscription: Body, reason: str, *, paid: bool) -> Body:
    price = subscription["items"]["data"][0]["price"]
    amount, at = price["unit_amount"], now()
    invoice = store.put(
        {
            "id": fresh("in"), "object": "invoice", "created": at, "livemode": False,
            "customer": subscription["customer"], "currency": price["currency"],
            "billing_reason": reason, "collection_method": "charge_automatically",
            "status": "paid" if paid else "open", "total": amount, "amount_due": amount,
            "amount_paid": amount if paid else 0, "amount_remaining": 0 if paid else amount,
            "attempt_count": 1, "attempted": True, "metadata": {},
            "parent": {
                "type": "subscription_details",
                "subscription_details": {"subscription": subscription["id"], "metadata": {}},
            },
        }
    )  # fmt: skip
    subscription["latest_invoice"] = invoice["id"]
    emit(store, "invoice.created", invoice)
    emit(store, "invoice.finalized", invoice)
    emit(store, "invoice.paid" if paid else "invoice.payment_failed", invoice)
    if paid:
        emit(store, "invoice.payment_succeeded", invoice)
    return invoice


def subscribe(store: Store, customer: Body, price: Body, metadata: dict[str, Any]) -> Body:
    """Start a paid subscription."""
    start, name = now(), fresh("sub")
    item = {
        "id": fresh("si"), "object": "subscription_item", "created": start, "metadata": {},
        "price": price, "quantity": 1, "subscription": name,
        "current_period_start": start, "current_period_end": a_month_after(start),
    }  # fmt: skip
    subscription = {
        "id": name, "object": "subscription", "customer": customer["id"], "status": "active",
        "created": start, "start_date": start, "billing_cycle_anchor": start,
        "cancel_at": None, "cancel_at_period_end": False, "canceled_at": None, "ended_at": None,
        "collection_method": "charge_automatically", "currency": price["currency"],
        "latest_invoice": None, "metadata": metadata, "livemode": False,
        "items": {
            "object": "list", "data": [item], "has_more": False,
            "url": f"/v1/subscription_items?subscription={name}",
        },
    }  # fmt: skip
    emit(store, "customer.subscription.created", subscription)
    _invoice(store, subscription, "subscription_create", paid=True)
    return store.put(subscription)


def _changed(store: Store, subscription: Body, before: Body) -> Body:
    emit(store, "customer.subscription.updated", subscription, before)
    return store.put(subscription)


def _living(subscription: Body) -> None:
    if subscription["status"] not in LIVE:
        raise Refused("A canceled subscription can only update its metadata.")


def end_later(store: Store, subscription: Body, *, ends: bool) -> Body:
    """Let a subscription end with its period, or take that back."""
    _living(subscription)
    before = {name: subscription[name] for name in ("cancel_at_period_end", "cancel_at")}
    subscription["cancel_at_period_end"] = ends
    end = subscription["items"]["data"][0]["current_period_end"]
    subscription["cancel_at"] = end if ends else None
    subscription["canceled_at"] = now() if ends else None
    return _changed(store, subscription, before)


def end_now(store: Store, subscription: Body) -> Body:
    """End a subscription at once."""
    _living(subscription)
    subscription["status"] = "canceled"
    subscription["canceled_at"] = subscription["ended_at"] = now()
    emit(store, "customer.subscription.deleted", subscription)
    return store.put(subscription)


def switch(store: Store, subscription: Body, price: Body) -> Body:
    """Put a subscription on another price."""
    _living(subscription)
    item = subscription["items"]["data"][0]
    before = {"items": {"data": [{"price": item["price"]["id"]}]}}
    item["price"] = price
    return _changed(store, subscription, before)


def renew(store: Store, subscription: Body) -> Body:
    """Let the next period begin: charge the card, or fall past due, or end as agreed."""
    _living(subscription)
    if subscription["cancel_at_period_end"]:
        return end_now(store, subscription)
    card = card_of(store, store.get("customer", subscription["customer"]))
    paid = card is not None and not card["_fails"]
    item, before = subscription["items"]["data"][0], {"status": subscription["status"]}
    item["current_period_start"] = item["current_period_end"]
    item["current_period_end"] = a_month_after(item["current_period_start"])
    subscription["status"] = "active" if paid else "past_due"
    _invoice(store, subscription, "subscription_cycle", paid=paid)
    return _changed(store, subscription, before)


def pay(store: Store, subscription: Body) -> Body:
    """Try the open invoice again with the customer's card."""
    card = card_of(store, store.get("customer", subscription["customer"]))
    if subscription["status"] != "past_due" or card is None or card["_fails"]:
        return subscription
    invoice = store.get("invoice", subscription["latest_invoice"])
    invoice.update(status="paid", amount_paid=invoice["total"], amount_remaining=0)
    store.put(invoice)
    emit(store, "invoice.paid", invoice)
    subscription["status"] = "active"
    return _changed(store, subscription, {"status": "past_due"})


def complete(store: Store, session: Body, number: str) -> Body:
    """Pay a Checkout session with a card and start what it sells.

    Raises:
        Refused: The card was declined, or the session is used or expired.
    """
    if session["status"] != "open":
        raise Refused("This Checkout session is no longer open.", code="session_not_open")
    customer = store.get("customer", session["customer"])
    digits = checked_card(number)
    set_card(store, customer, digits)
    price = store.get("price", session["_price"])
    subscription = subscribe(store, customer, price, session["_metadata"])
    session.update(
        status="complete", payment_status="paid", subscription=subscription["id"], url=None
    )
    emit(store, "checkout.session.completed", session)
    return store.put(session)
