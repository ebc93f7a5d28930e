"""The one door to Stripe: https://docs.stripe.com/api, version pinned.

What comes from here are our own small values, never Stripe's objects. Events only say that
something happened; what holds now is always asked anew (`subscription_find`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import stripe
import structlog
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from billing.plans import Plan
from modelyard.core.errors import DomainError, Unavailable

API_VERSION = "2026-10-28.endive"
TOLERANCE_SECONDS = 300
TIMEOUT_SECONDS = 10
RETRIES = 2
LIVE = ("active", "trialing", "past_due")

logger = structlog.get_logger(__name__)
Result = TypeVar("Result")


@dataclass(frozen=True)
class Event:
    """That something happened at Stripe; `customer` is '' when it is about nobody."""

    id: str
    type: str
    customer: str


@dataclass(frozen=True)
class Subscription:
    """What a customer pays for now.

    Attributes:
        id: Stripe's id.
        status: Stripe's word: active, trialing, past_due, unpaid, paused, incomplete, canceled...
        price_key: Lookup key of its price.
        period_start: Start of what is paid for.
        period_end: Its end, when the next payment is due.
        ends_at: When it ends by the customer's wish; None goes on.
        unpaid_since: Date of the invoice that could not be charged; None owes nothing.
    """

    id: str
    status: str
    price_key: str
    period_start: dt.datetime
    period_end: dt.datetime
    ends_at: dt.datetime | None
    unpaid_since: dt.datetime | None

    @property
    def is_live(self) -> bool:
        """Tell whether it can still be charged."""
        return self.status in LIVE


@lru_cache(maxsize=4)
def _client(key: str, url: str, _pid: int) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        base_addresses={"api": url} if url else {},
        max_network_retries=RETRIES,
        http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
    )


def _stripe() -> stripe.StripeClient:
    return _client(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_URL, os.getpid())


def _ask(call: Callable[[], Result]) -> Result:
    """Return what Stripe answers.

    Raises:
        Unavailable: `stripe_unreachable` (passes by itself) or `stripe_refused` (ours to repair).
    """
    try:
        return call()
    except (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError) as error:
        logger.warning("stripe_unreachable", error=str(error))
        raise Unavailable(
            _("Stripe can't be reached just now, and nothing was charged. Try again in a minute."),
            code="stripe_unreachable",
            retry_after=60,
        ) from error
    except stripe.StripeError as error:
        logger.exception("stripe_refused", stripe_code=error.code)
        raise Unavailable(
            _(
                "Stripe refused our request, and nothing was charged."
                " Tell us: we have to repair it."
            ),
            code="stripe_refused",
            retry_after=600,
        ) from error


def customer_ensure(*, tenant_id: uuid.UUID, name: str, email: str) -> str:
    """Return the id of the tenant's new customer; asked twice at once, the same one."""
    params: Any = {"name": name, "metadata": {"tenant_id": str(tenant_id)}}
    if email:
        params["email"] = email
    digest = hashlib.sha256(f"{name}\n{email}".encode()).hexdigest()[:16]
    options: Any = {"idempotency_key": f"customer-{tenant_id}-{digest}"}
    return _ask(lambda: _stripe().v1.customers.create(params, options)).id


def checkout_create(
    *, customer: str, plan: Plan, tenant_id: uuid.UUID, success_url: str, cancel_url: str
) -> str:
    """Return the address of a page on which the customer subscribes to `plan`.

    Pages opened before are closed, so that nobody pays in two tabs.

    Raises:
        Unavailable: `plan_price_missing`, Stripe has no active price of that lookup key.
    """
    wanted: Any = {"lookup_keys": [plan.lookup_key], "active": True, "limit": 1}
    prices = _ask(lambda: _stripe().v1.prices.list(wanted))
    if not prices.data:
        logger.error("plan_price_missing", lookup_key=plan.lookup_key)
        raise Unavailable(
            _("The plan %(plan)s can't be bought just now. Tell us, we have to repair it.")
            % {"plan": plan.title},
            code="plan_price_missing",
            retry_after=600,
        )
    sessions = _stripe().v1.checkout.sessions
    opened = _ask(lambda: sessions.list({"customer": customer, "status": "open", "limit": 100}))
    for session in opened.data:
        _ask(lambda name=session.id: sessions.expire(name))  # type: ignore[misc]
    owner = {"tenant_id": str(tenant_id)}
    params: Any = {
        "mode": "subscription",
        "customer": customer,
        "client_reference_id": str(tenant_id),
        "line_items": [{"price": prices.data[0].id, "quantity": 1}],
        "metadata": owner,
        "subscription_data": {"metadata": owner},
        "success_url": success_url,
        "cancel_url": cancel_url,
    }
    return str(_ask(lambda: sessions.create(params)).url)


def portal_create(*, customer: str, return_url: str) -> str:
    """Return the address of Stripe's pages for cards, invoices, cancelling."""
    params: Any = {"customer": customer, "return_url": return_url}
    return _ask(lambda: _stripe().v1.billing_portal.sessions.create(params)).url


def subscription_find(customer: str) -> Subscription | None:
    """Return the subscription that counts now: a live one, else the latest, else None."""
    params: Any = {
        "customer": customer,
        "status": "all",
        "limit": 100,
        "expand": ["data.latest_invoice"],
    }
    rows = [one.to_dict() for one in _ask(lambda: _stripe().v1.subscriptions.list(params)).data]
    rows.sort(key=lambda one: (one["status"] in LIVE, one["created"]), reverse=True)
    return _subscription(rows[0]) if rows else None


def subscription_cancel(customer: str) -> int:
    """End every subscription of the customer now, and close open checkouts; return how many.

    Invoices stay at Stripe, as the law asks of whoever sold something.
    """
    sessions = _stripe().v1.checkout.sessions
    opened = _ask(lambda: sessions.list({"customer": customer, "status": "open", "limit": 100}))
    for session in opened.data:
        _ask(lambda name=session.id: sessions.expire(name))  # type: ignore[misc]
    params: Any = {"customer": customer, "status": "all", "limit": 100}
    found = _ask(lambda: _stripe().v1.subscriptions.list(params)).data
    standing = [one.id for one in found if one.status not in {"canceled", "incomplete_expired"}]
    for name in standing:
        _ask(lambda name=name: _stripe().v1.subscriptions.cancel(name))  # type: ignore[misc]
    return len(standing)


def _subscription(body: dict[str, Any]) -> Subscription:
    item = body["items"]["data"][0]
    invoice = body["latest_invoice"] or {}
    owes = invoice.get("status") in {"open", "uncollectible"}
    return Subscription(
        id=body["id"],
        status=body["status"],
        price_key=item["price"].get("lookup_key") or "",
        period_start=_moment(item["current_period_start"]),
        period_end=_moment(item["current_period_end"]),
        ends_at=_moment(body["cancel_at"]) if body.get("cancel_at") else None,
        unpaid_since=_moment(invoice["created"]) if owes else None,
    )


def _moment(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC)


def event_construct(body: bytes, signature: str) -> Event:
    """Return the event of a webhook whose signature one of our secrets made, at most 300 s ago.

    Args:
        body: The bytes as they came.
        signature: The header `Stripe-Signature`.

    Raises:
        DomainError: 400 `signature_invalid`: forged, too old, or not an event.
    """
    for secret in settings.STRIPE_WEBHOOK_SECRETS if signature.isascii() else []:
        try:
            event = _stripe().construct_event(body, signature, secret, TOLERANCE_SECONDS)
        except (stripe.SignatureVerificationError, ValueError):
            continue
        thing: dict[str, Any] = event.data.object.to_dict()
        customer = thing["id"] if thing["object"] == "customer" else thing.get("customer")
        # An expanded customer is a group with an id.
        name = customer.get("id") if isinstance(customer, dict) else customer
        return Event(id=event.id, type=event.type, customer=name or "")
    raise DomainError(
        _("The signature of this event is wrong or too old; check the endpoint's secret."),
        code="signature_invalid",
    )
