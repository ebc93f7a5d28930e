"""Writes of billing: the plan of a tenant, and what Stripe says about it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from functools import partial

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from billing import gateway, plans
from billing.gateway import Event, Subscription
from billing.models import Account, StripeEvent
from modelyard.core import clock
from modelyard.core.errors import Conflict, Invalid, NotFound, Unavailable
from modelyard.core.queue import enqueue
from tenants import access, audit
from tenants import selectors as tenants
from tenants.access import Actor
from tenants.controls import hooks as controls
from tenants.controls import switches
from tenants.limits import allowance
from tenants.rights import hooks as rights
from tenants.scoping.context import ops_scope, tenant_scope

SWEEP_AFTER = dt.timedelta(seconds=30)
SWEEP_FOR = dt.timedelta(days=7)
SWEEP_AT_ONCE = 200
_STATUS = {
    "active": Account.Status.ACTIVE,
    "trialing": Account.Status.ACTIVE,
    "past_due": Account.Status.PAST_DUE,
}
"""Stripe's words that keep a plan; every other word ends it."""

logger = structlog.get_logger(__name__)
on_plan_changed: list[Callable[[uuid.UUID], None]] = [allowance.forget]
"""Called after commit with the tenant: whoever keeps a copy of its limits drops it."""


def copies_drop(tenant_id: uuid.UUID) -> None:
    """Have every copy of the tenant's limits dropped on commit."""
    for drop in on_plan_changed:
        transaction.on_commit(partial(drop, tenant_id))


def account_set_plan(*, actor: Actor, plan: str) -> Account:
    """Put the tenant of the actor on a plan; acts on the next request.

    Args:
        actor: Needs `billing.manage`.
        plan: Name of the plan.

    Raises:
        Invalid: The plan does not exist.
    """
    access.require(actor, "billing.manage")
    if plan not in plans.PLANS:
        raise Invalid(
            _("Choose a plan out of: %(all)s.") % {"all": ", ".join(plans.PLANS)},
            code="plan_unknown",
        )
    with transaction.atomic():
        account, _made = Account.objects.update_or_create(
            tenant_id=actor.tenant_id,
            defaults={"plan": plan, "status": Account.Status.ACTIVE},
        )
        audit.record(actor, "plan.changed", account, plan=plan)
        copies_drop(actor.tenant_id)
    return account


# --- To Stripe: each call outside of a transaction, between two short scopes ------------------


def _require_shop() -> None:
    if settings.BILLING == "off":
        raise NotFound(_("This site is self-hosted: there are no plans to buy."), code="no_billing")


def checkout_open(*, actor: Actor, plan: str, email: str) -> str:
    """Return the address of Stripe's page on which the workspace subscribes to a plan.

    Args:
        actor: Needs `billing.manage`.
        plan: Name of a plan that is sold.
        email: Where receipts go.

    Raises:
        Invalid: No such plan is sold.
        Conflict: `subscribed`: there is a subscription; it is changed in the portal.
        Unavailable: Stripe does not answer, or refuses.
    """
    access.require(actor, "billing.manage")
    _require_shop()
    wanted = plans.SOLD.get(plan)
    if wanted is None:
        raise Invalid(
            _("Choose a plan out of: %(all)s.") % {"all": ", ".join(plans.SOLD)},
            code="plan_unknown",
        )
    customer = _customer_ensure(actor, email)
    found = gateway.subscription_find(customer)
    if found is not None and found.is_live:
        # Its event may be late or lost: this brings the account up to date.
        enqueue("billing.sync_account", tenant_id=str(actor.tenant_id))
        raise Conflict(
            _("This workspace has a subscription already. Change it under Manage billing."),
            code="subscribed",
        )
    page = f"{settings.SITE_URL}{_usage_path(actor)}"
    url = gateway.checkout_create(
        customer=customer,
        plan=wanted,
        tenant_id=actor.tenant_id,
        success_url=f"{page}?checkout=success",
        cancel_url=f"{page}?checkout=canceled",
    )
    _recorded(actor, "billing.checkout_opened", plan=plan)
    return url


def portal_open(*, actor: Actor) -> str:
    """Return the address of Stripe's pages for cards, invoices and cancelling.

    Raises:
        Conflict: `no_customer`: nothing was ever bought.
        Unavailable: Stripe does not answer, or refuses.
    """
    access.require(actor, "billing.manage")
    _require_shop()
    with tenant_scope(actor.tenant_id):
        account = Account.objects.first()
    if account is None or not account.stripe_customer:
        raise Conflict(_("There is nothing to manage yet: buy a plan first."), code="no_customer")
    url = gateway.portal_create(
        customer=account.stripe_customer,
        return_url=f"{settings.SITE_URL}{_usage_path(actor)}?checkout=managed",
    )
    _recorded(actor, "billing.portal_opened")
    return url


def account_refresh(*, actor: Actor) -> None:
    """Ring to ask Stripe anew: somebody waits for an event that may be lost."""
    access.require(actor, "usage.read")
    _require_shop()
    enqueue("billing.sync_account", tenant_id=str(actor.tenant_id))


def _usage_path(actor: Actor) -> str:
    return reverse("usage:index", args=[tenants.tenant_get(actor.tenant_id).slug])


def _recorded(actor: Actor, action: str, **facts: object) -> None:
    with tenant_scope(actor.tenant_id):
        audit.record(actor, action, Account.objects.get(), **facts)


def _customer_ensure(actor: Actor, email: str) -> str:
    with tenant_scope(actor.tenant_id):
        account, _made = Account.objects.get_or_create(tenant_id=actor.tenant_id)
        name = tenants.tenant_get(actor.tenant_id).name
    if account.stripe_customer:
        return account.stripe_customer
    customer = gateway.customer_ensure(tenant_id=actor.tenant_id, name=name, email=email)
    with tenant_scope(actor.tenant_id):
        # Whoever is first stays: asked twice at once, Stripe names the same customer.
        Account.objects.filter(stripe_customer=None).update(stripe_customer=customer)
        return str(Account.objects.get().stripe_customer)


# --- From Stripe: store, find whose it is, ask what holds now ----------------------------------


def event_store(event: Event) -> bool:
    """Store an event once and ring for it; False when it is processed already."""
    with transaction.atomic():
        now = clock.now()
        stored, _made = StripeEvent.objects.get_or_create(
            id=event.id,
            defaults={
                "type": event.type[:80],
                "customer": event.customer,
                "received_at": now,
                "processed_at": None if event.customer else now,
            },
        )
        if stored.processed_at is not None:
            return False
        # Also for one that came before: its bell may have been lost.
        if not switches.is_stopped(switches.WEBHOOKS):
            enqueue("billing.process_event", event_id=event.id)
    return True


def event_route(event_id: str) -> None:
    """Find whose event it is and ring for that tenant's account; across tenants, no Stripe.

    While operators have stopped webhooks it stays open, and the sweep comes back to it.
    """
    if switches.is_stopped(switches.WEBHOOKS):
        return
    with ops_scope("whose Stripe event"):
        event = StripeEvent.objects.filter(pk=event_id, processed_at=None).first()
        if event is None:
            return
        account = Account.objects.filter(stripe_customer=event.customer).first()
        if account is None:
            _processed(event_id, error="customer_unknown")
            return
    enqueue("billing.sync_account", tenant_id=str(account.tenant_id), event_id=event_id)


def event_replay(*, event_id: str) -> bool:
    """Process an event again that could not be: one that waits, or one of an unknown customer.

    Returns:
        False when there is none, or it was processed without a fault.
    """
    with transaction.atomic():
        rows = StripeEvent.objects.filter(Q(processed_at=None) | ~Q(error=""), pk=event_id)
        if not rows.update(processed_at=None, error=""):
            return False
        enqueue("billing.process_event", event_id=event_id)
    return True


def events_sweep() -> int:
    """Ring again for events that wait (a lost bell, Stripe was away); return how many."""
    now = clock.now()
    rows = StripeEvent.objects.filter(
        processed_at=None, received_at__lt=now - SWEEP_AFTER, received_at__gt=now - SWEEP_FOR
    )
    names = list(rows.order_by("received_at").values_list("pk", flat=True)[:SWEEP_AT_ONCE])
    for name in names:
        event_route(name)
    return len(names)


def accounts_reconcile() -> int:
    """Ring for every account that Stripe knows: what a lost event left behind is made good."""
    with ops_scope("reconcile with Stripe"):
        rows = Account.objects.exclude(stripe_customer=None).values_list("tenant_id", flat=True)
        names = list(rows)
    for tenant_id in names:
        enqueue("billing.sync_account", tenant_id=str(tenant_id))
    return len(names)


def _processed(event_id: str, *, error: str = "") -> None:
    StripeEvent.objects.filter(pk=event_id).update(processed_at=clock.now(), error=error)


def account_sync(*, actor: Actor, event_id: str = "") -> None:
    """Ask Stripe what holds for the tenant now and write that, whatever the event said.

    So neither order nor repetition of events matters. Two at once: each takes a number before it
    asks, and an answer is written only over those of earlier questions.

    Args:
        actor: The system, for the tenant.
        event_id: The event that is processed by this; '' is none.
    """
    with tenant_scope(actor.tenant_id):
        Account.objects.update(asked=F("asked") + 1)
        account = Account.objects.first()
    if account is None or not account.stripe_customer:
        _processed(event_id, error="customer_unknown")
        return
    try:
        mirrored = _mirrored(gateway.subscription_find(account.stripe_customer))
    except Unavailable as error:
        # It stays open: the sweep asks again.
        logger.warning("stripe_event_waits", stripe_event=event_id, code=error.code)
        StripeEvent.objects.filter(pk=event_id).update(error=error.code)
        return
    with tenant_scope(actor.tenant_id):
        rows = Account.objects.filter(answered__lt=account.asked)
        before = rows.select_for_update().first()
        if before is not None:
            _write(actor, before, {"answered": account.asked, **_kept(before, mirrored)})
        _processed(event_id)
        # Each time: an earlier attempt may have written the plan and failed to drop the copies.
        copies_drop(actor.tenant_id)


def _kept(account: Account, mirrored: Mapping[str, object]) -> Mapping[str, object]:
    """Return what to write: a plan that an operator gave stays when Stripe knows of none."""
    both_none = not mirrored["stripe_subscription"] and not account.stripe_subscription
    return {} if both_none else mirrored


def _write(actor: Actor, account: Account, columns: Mapping[str, object]) -> None:
    before = (account.plan, account.status)
    for name, value in columns.items():
        setattr(account, name, value)
    account.save(update_fields=list(columns))
    if (account.plan, account.status) != before:
        audit.record(actor, "plan.changed", account, plan=account.plan, status=account.status)


def _mirrored(found: Subscription | None) -> dict[str, object]:
    """Return the account's columns for what Stripe says; an ended subscription leaves none.

    Raises:
        Unavailable: `price_unknown`: the price's lookup key is none of our plans'.
    """
    status = _STATUS.get(found.status) if found is not None else None
    if found is None or status is None:
        return {
            "plan": plans.FREE.name,
            "status": Account.Status.ACTIVE,
            "stripe_subscription": "",
            "period_start": None,
            "period_end": None,
            "ends_at": None,
            "grace_until": None,
        }
    plan = plans.by_lookup_key(found.price_key)
    if plan is None:
        logger.error("stripe_price_unknown", subscription=found.id, lookup_key=found.price_key)
        raise Unavailable(_("No plan has this price."), code="price_unknown")
    grace = dt.timedelta(days=settings.BILLING_GRACE_DAYS)
    owes = status == Account.Status.PAST_DUE
    return {
        "plan": plan.name,
        "status": status,
        "stripe_subscription": found.id,
        "period_start": found.period_start,
        "period_end": found.period_end,
        "ends_at": found.ends_at,
        "grace_until": (found.unpaid_since or found.period_start) + grace if owes else None,
    }


def tenant_stop(tenant_id: uuid.UUID) -> int:
    """End what a tenant that goes still pays for; 0, since nothing goes on after that.

    Raises:
        Unavailable: Stripe can't be asked; the deletion waits until it can.
    """
    with tenant_scope(tenant_id):
        account = Account.objects.first()
    if settings.BILLING != "off" and account is not None and account.stripe_customer:
        gateway.subscription_cancel(account.stripe_customer)
    return 0


def _ring_for_events() -> None:
    """Ring for the events that came while webhooks were stopped."""
    enqueue("billing.sweep_events")


rights.on_tenant_stopping.append(tenant_stop)
controls.on_started_again.setdefault(switches.WEBHOOKS, []).append(_ring_for_events)
