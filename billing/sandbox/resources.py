"""Stripe's resources, as far as the platform uses them (https://docs.stripe.com/api)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from billing.sandbox import forms, ledger
from billing.sandbox.errors import Refused, missing, needed, only
from billing.sandbox.store import Body, Store, fresh

Params = dict[str, Any]


@dataclass(frozen=True)
class Desk:
    """What a resource works with: the store, and the address of the hosted pages."""

    store: Store
    url: str


def page(rows: list[Body], params: Params, path: str) -> Body:
    """Return one page of a list, newest first, by Stripe's cursors."""
    limit = forms.whole(params, "limit", 10, least=1, most=100)
    names = [row["id"] for row in rows]
    if after := params.get("starting_after"):
        if after not in names:
            raise missing("object", after)
        rows = rows[names.index(after) + 1 :]
    elif before := params.get("ending_before"):
        if before not in names:
            raise missing("object", before)
        rows = rows[: names.index(before)][-limit:]
    return {
        "object": "list", "url": path, "data": rows[:limit], "has_more": len(rows) > limit,
    }  # fmt: skip


_PAGED = "limit starting_after ending_before"


def _lister(kind: str, path: str, filters: str) -> Callable[[Desk, Params], Body]:
    """Return a list call: rows whose fields equal the filters that are given."""

    def call(desk: Desk, params: Params) -> Body:
        only(params, f"{_PAGED} {filters}")
        asked = {name: value for name, value in params.items() if name in filters.split()}
        rows = desk.store.every(
            kind, lambda one: all(str(one.get(name)) == value for name, value in asked.items())
        )
        return page(rows, params, path)

    return call


def _getter(kind: str) -> Callable[[Desk, Params, str], Body]:
    def call(desk: Desk, params: Params, name: str) -> Body:
        only(params, "")
        return desk.store.get(kind, name)

    return call


# --- Customers --------------------------------------------------------------------------------


def customer_create(desk: Desk, params: Params) -> Body:
    """POST /v1/customers."""
    only(params, "name email description metadata")
    customer = {
        "id": fresh("cus"), "object": "customer", "created": ledger.now(), "livemode": False,
        "name": params.get("name"), "email": params.get("email"),
        "description": params.get("description"), "metadata": forms.group(params, "metadata"),
        "invoice_settings": {"default_payment_method": None}, "delinquent": False,
    }  # fmt: skip
    ledger.emit(desk.store, "customer.created", customer)
    return desk.store.put(customer)


def customer_update(desk: Desk, params: Params, name: str) -> Body:
    """POST /v1/customers/<id>."""
    only(params, "name email description metadata")
    customer = desk.store.get("customer", name)
    customer["metadata"] |= forms.group(params, "metadata")
    customer |= {key: value for key, value in params.items() if key not in {"metadata", "expand"}}
    ledger.emit(desk.store, "customer.updated", customer)
    return desk.store.put(customer)


# --- Products and prices ----------------------------------------------------------------------


def product_create(desk: Desk, params: Params) -> Body:
    """POST /v1/products."""
    only(params, "name description metadata active")
    product = {
        "id": fresh("prod"), "object": "product", "created": ledger.now(), "livemode": False,
        "name": needed(params, "name"), "description": params.get("description"),
        "active": forms.boolean(params, "active", default=True),
        "metadata": forms.group(params, "metadata"),
    }  # fmt: skip
    return desk.store.put(product)


def price_create(desk: Desk, params: Params) -> Body:
    """POST /v1/prices."""
    only(params, "currency product unit_amount recurring lookup_key nickname metadata active")
    product = desk.store.get("product", needed(params, "product"))
    interval = forms.group(params, "recurring").get("interval")
    if interval != "month":
        raise Refused("The stand-in sells by the month.", param="recurring[interval]")
    key = params.get("lookup_key")
    if key and desk.store.every("price", lambda one: one["lookup_key"] == key):
        raise Refused(f"A price already uses that lookup key: {key}", param="lookup_key")
    amount = forms.whole(params, "unit_amount", 0, least=0, most=99_999_999)
    price = {
        "id": fresh("price"), "object": "price", "created": ledger.now(), "livemode": False,
        "active": forms.boolean(params, "active", default=True), "type": "recurring",
        "currency": needed(params, "currency"), "product": product["id"],
        "unit_amount": amount, "lookup_key": key, "nickname": params.get("nickname"),
        "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"},
        "metadata": forms.group(params, "metadata"),
    }  # fmt: skip
    return desk.store.put(price)


def price_list(desk: Desk, params: Params) -> Body:
    """GET /v1/prices."""
    only(params, f"{_PAGED} lookup_keys active product")
    keys = forms.rows(params, "lookup_keys")
    active = forms.boolean(params, "active")
    product = params.get("product")

    def fits(one: Body) -> bool:
        return (
            (not keys or one["lookup_key"] in keys)
            and (active is None or one["active"] is active)
            and (product is None or one["product"] == product)
        )

    return page(desk.store.every("price", fits), params, "/v1/prices")


# --- Checkout and portal ----------------------------------------------------------------------


def checkout_create(desk: Desk, params: Params) -> Body:
    """POST /v1/checkout/sessions."""
    only(
        params,
        "mode customer line_items success_url cancel_url client_reference_id metadata"
        " subscription_data locale allow_promotion_codes billing_address_collection",
    )
    if needed(params, "mode") != "subscription":
        raise Refused("The stand-in sells subscriptions only.", param="mode")
    lines = forms.rows(params, "line_items")
    if len(lines) != 1 or not isinstance(lines[0], dict):
        raise Refused("The stand-in takes one line item.", param="line_items")
    customer = desk.store.get("customer", needed(params, "customer"))
    price = desk.store.get("price", needed(lines[0], "price"))
    at, name = ledger.now(), fresh("cs_test")
    session = {
        "id": name, "object": "checkout.session", "created": at, "expires_at": at + 86400,
        "livemode": False, "mode": "subscription", "status": "open", "payment_status": "unpaid",
        "customer": customer["id"], "subscription": None, "currency": price["currency"],
        "amount_total": price["unit_amount"], "url": f"{desk.url}/checkout/{name}",
        "success_url": needed(params, "success_url"), "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "metadata": forms.group(params, "metadata"), "_price": price["id"],
        "_metadata": forms.group(forms.group(params, "subscription_data"), "metadata"),
    }  # fmt: skip
    return desk.store.put(session)


def checkout_expire(desk: Desk, params: Params, name: str) -> Body:
    """POST /v1/checkout/sessions/<id>/expire."""
    only(params, "")
    session = desk.store.get("checkout.session", name)
    if session["status"] != "open":
        raise Refused(f'Only Checkout Sessions with a status in ["open"] can be expired: {name}')
    session.update(status="expired", url=None)
    ledger.emit(desk.store, "checkout.session.expired", session)
    return desk.store.put(session)


def portal_create(desk: Desk, params: Params) -> Body:
    """POST /v1/billing_portal/sessions."""
    only(params, "customer return_url locale")
    customer = desk.store.get("customer", needed(params, "customer"))
    name = fresh("bps")
    session = {
        "id": name, "object": "billing_portal.session", "created": ledger.now(),
        "livemode": False, "customer": customer["id"], "url": f"{desk.url}/portal/{name}",
        "return_url": params.get("return_url"), "locale": params.get("locale"),
    }  # fmt: skip
    return desk.store.put(session)


# --- Subscriptions ----------------------------------------------------------------------------


def subscription_list(desk: Desk, params: Params) -> Body:
    """GET /v1/subscriptions: without `status`, those that have not been canceled."""
    only(params, f"{_PAGED} customer status price")
    status, customer = params.get("status"), params.get("customer")

    def fits(one: Body) -> bool:
        wanted = one["status"] != "canceled" if status is None else status in {"all", one["status"]}
        return wanted and customer in {None, one["customer"]}

    return page(desk.store.every("subscription", fits), params, "/v1/subscriptions")


def subscription_update(desk: Desk, params: Params, name: str) -> Body:
    """POST /v1/subscriptions/<id>."""
    only(params, "items cancel_at_period_end metadata proration_behavior")
    subscription = desk.store.get("subscription", name)
    for item in forms.rows(params, "items"):
        price = desk.store.get("price", needed(item, "price"))
        subscription = ledger.switch(desk.store, subscription, price)
    ends = forms.boolean(params, "cancel_at_period_end")
    if ends is not None:
        subscription = ledger.end_later(desk.store, subscription, ends=ends)
    subscription["metadata"] |= forms.group(params, "metadata")
    return desk.store.put(subscription)


def subscription_cancel(desk: Desk, params: Params, name: str) -> Body:
    """DELETE /v1/subscriptions/<id>."""
    only(params, "invoice_now prorate")
    return ledger.end_now(desk.store, desk.store.get("subscription", name))


# --- Webhook endpoints ------------------------------------------------------------------------


def endpoint_create(desk: Desk, params: Params) -> Body:
    """POST /v1/webhook_endpoints: the secret is in this answer only."""
    only(params, "url enabled_events description metadata api_version")
    secret = fresh("whsec")
    endpoint = {
        "id": fresh("we"), "object": "webhook_endpoint", "created": ledger.now(),
        "livemode": False, "status": "enabled", "url": needed(params, "url"),
        "enabled_events": forms.rows(params, "enabled_events") or ["*"], "_secret": secret,
        "description": params.get("description"), "metadata": forms.group(params, "metadata"),
    }  # fmt: skip
    return {**desk.store.put(endpoint), "secret": secret}


def endpoint_delete(desk: Desk, params: Params, name: str) -> Body:
    """DELETE /v1/webhook_endpoints/<id>."""
    only(params, "")
    desk.store.get("webhook_endpoint", name)
    desk.store.remove(name)
    return {"id": name, "object": "webhook_endpoint", "deleted": True}


# --- Only here: what tests need to make happen ------------------------------------------------


def test_renew(desk: Desk, params: Params, name: str) -> Body:
    """POST /_test/subscriptions/<id>/renew: the next period begins now."""
    only(params, "")
    return ledger.renew(desk.store, desk.store.get("subscription", name))


def test_card(desk: Desk, params: Params, name: str) -> Body:
    """POST /_test/customers/<id>/card: another card; an open invoice is tried with it."""
    only(params, "number")
    customer = desk.store.get("customer", name)
    ledger.set_card(desk.store, customer, ledger.checked_card(needed(params, "number")))
    for one in desk.store.every("subscription", lambda found: found["customer"] == name):
        ledger.pay(desk.store, one)
    return desk.store.get("customer", name)


def test_resend(desk: Desk, params: Params) -> Body:
    """POST /_test/resend: every event (of `customer`) again, in the order of `seed`."""
    only(params, "customer seed")
    customer, seed = params.get("customer"), str(params.get("seed", ""))

    def fits(one: Body) -> bool:
        thing = one["data"]["object"]
        return customer in {None, thing.get("customer"), thing["id"]}

    events = desk.store.every("event", fits)
    # A seeded order of ids: the same seed gives the same order.
    events.sort(key=lambda one: hash_of(seed + one["id"]))
    for event in events:
        for endpoint in desk.store.every("webhook_endpoint"):
            desk.store.deliver(event["id"], endpoint["id"])
    return {"sent": len(events)}


def hash_of(text: str) -> int:
    """Return a number that spreads texts evenly and is the same in every process (FNV-1a)."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


ONE = r"([A-Za-z0-9_]+)"
ROUTES: list[tuple[str, str, Callable[..., Body]]] = [
    ("POST", "/v1/customers", customer_create),
    ("GET", "/v1/customers", _lister("customer", "/v1/customers", "email")),
    ("GET", f"/v1/customers/{ONE}", _getter("customer")),
    ("POST", f"/v1/customers/{ONE}", customer_update),
    ("POST", "/v1/products", product_create),
    ("GET", "/v1/products", _lister("product", "/v1/products", "")),
    ("GET", f"/v1/products/{ONE}", _getter("product")),
    ("POST", "/v1/prices", price_create),
    ("GET", "/v1/prices", price_list),
    ("GET", f"/v1/prices/{ONE}", _getter("price")),
    ("POST", "/v1/checkout/sessions", checkout_create),
    (
        "GET",
        "/v1/checkout/sessions",
        _lister("checkout.session", "/v1/checkout/sessions", "customer status subscription"),
    ),
    ("GET", f"/v1/checkout/sessions/{ONE}", _getter("checkout.session")),
    ("POST", f"/v1/checkout/sessions/{ONE}/expire", checkout_expire),
    ("POST", "/v1/billing_portal/sessions", portal_create),
    ("GET", "/v1/subscriptions", subscription_list),
    ("GET", f"/v1/subscriptions/{ONE}", _getter("subscription")),
    ("POST", f"/v1/subscriptions/{ONE}", subscription_update),
    ("DELETE", f"/v1/subscriptions/{ONE}", subscription_cancel),
    ("GET", "/v1/invoices", _lister("invoice", "/v1/invoices", "customer status")),
    ("GET", f"/v1/invoices/{ONE}", _getter("invoice")),
    ("GET", "/v1/events", _lister("event", "/v1/events", "type")),
    ("GET", f"/v1/events/{ONE}", _getter("event")),
    ("POST", "/v1/webhook_endpoints", endpoint_create),
    ("GET", "/v1/webhook_endpoints", _lister("webhook_endpoint", "/v1/webhook_endpoints", "")),
    ("DELETE", f"/v1/webhook_endpoints/{ONE}", endpoint_delete),
    ("POST", f"/_test/subscriptions/{ONE}/renew", test_renew),
    ("POST", f"/_test/customers/{ONE}/card", test_card),
    ("POST", "/_test/resend", test_resend),
]


def expanded(store: Store, body: Body, paths: list[Any]) -> Body:
    """Return `body` with the ids at `paths` (`data.latest_invoice`) replaced by their objects."""
    for path in paths:
        _expand(store, body, str(path).split("."))
    return body


def _expand(store: Store, place: Any, steps: list[str]) -> None:
    if isinstance(place, list):
        for one in place:
            _expand(store, one, steps)
        return
    if not isinstance(place, dict) or steps[0] not in place:
        raise Refused(f"This property cannot be expanded ({steps[0]}).", param="expand")
    if isinstance(value := place[steps[0]], str) and (found := store.find(value)):
        place[steps[0]] = found
    if len(steps) > 1 and place[steps[0]] is not None:
        _expand(store, place[steps[0]], steps[1:])


def shown(value: Any) -> Any:
    """Return a value without what only the stand-in knows (names with a leading `_`)."""
    if isinstance(value, dict):
        return {name: shown(one) for name, one in value.items() if not name.startswith("_")}
    return [shown(one) for one in value] if isinstance(value, list) else value
