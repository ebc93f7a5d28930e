"""May I? The one question that the rest of the platform asks of billing.

Billing imports nothing above it: whoever owns a stock (examples, deployments) registers how it
is counted with `count_by`, when its services are imported.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from billing import amounts, periods, plans, usage
from billing.models import Account
from billing.periods import Period
from billing.plans import Plan
from modelyard.core import clock
from modelyard.core.errors import QuotaExceeded
from tenants import selectors as tenants
from tenants.scoping.context import tenant_scope

Counter = Callable[[uuid.UUID], int]
_counters: dict[str, Counter] = {plans.SEATS: tenants.seat_count}


@dataclass(frozen=True)
class Entitlements:
    """What a tenant may use now: the plan, its limits (None is none), and the period."""

    plan: Plan
    limits: Mapping[str, int | None]
    period: Period


def count_by(limit: str, counter: Counter) -> None:
    """Register how a stock is counted: `counter(tenant_id)` returns what stands now."""
    if limit not in plans.STOCKS:
        raise ValueError(f"no such stock: {limit}")
    _counters[limit] = counter


def in_force(*, plan: str, status: str, grace_until: dt.datetime | None) -> Plan:
    """Return the plan that an account's row gives now: an unpaid one holds for its grace days."""
    if status == Account.Status.CANCELED:
        return plans.FREE
    if status == Account.Status.PAST_DUE and grace_until and grace_until <= clock.now():
        return plans.FREE
    return plans.PLANS[plan]


def current(tenant_id: uuid.UUID) -> Entitlements:
    """Return what the tenant may use; without billing (self-hosted) there are no limits."""
    period = periods.current()
    if settings.BILLING == "off":
        return Entitlements(plans.SELF_HOSTED, plans.SELF_HOSTED.limits, period)
    with tenant_scope(tenant_id):
        account = Account.objects.first()
    if account is None:
        return Entitlements(plans.FREE, plans.FREE.limits, period)
    plan = in_force(plan=account.plan, status=account.status, grace_until=account.grace_until)
    if plan.name != account.plan:
        return Entitlements(plan, plan.limits, period)
    return Entitlements(plan, {**plan.limits, **account.overrides}, period)


def used(tenant_id: uuid.UUID, limit: str) -> int | None:
    """Return what is used of a limit now; None for a stock that nobody counts."""
    if limit in plans.METERS:
        return usage.used(tenant_id, limit, periods.current())
    counter = _counters.get(limit)
    return None if counter is None else counter(tenant_id)


def require(tenant_id: uuid.UUID, limit: str, amount: int, *, stands: int | None = None) -> None:
    """Pass when the plan allows `amount` more of `limit`.

    Args:
        tenant_id: Who asks.
        limit: One of `plans.LIMITS`.
        amount: How much more; 1 asks whether anything is left.
        stands: What is used already, where the caller has just counted it.

    Raises:
        QuotaExceeded: With meter, limit, used, upgrade_url and a sentence (402).
        ValueError: The limit does not exist.
    """
    if limit not in plans.LIMITS:
        raise ValueError(f"no such limit: {limit}")
    allowed = current(tenant_id)
    most = allowed.limits[limit]
    if most is None:
        return
    standing = stands if stands is not None else used(tenant_id, limit) or 0
    if standing + amount > most:
        raise exceeded(tenant_id, limit, most=most, standing=standing)


def exceeded(tenant_id: uuid.UUID, limit: str, *, most: int, standing: int) -> QuotaExceeded:
    """Return the refusal of a limit: what it is, what is used, what to do."""
    allowed = current(tenant_id)
    facts = {
        "plan": allowed.plan.title,
        "limit": amounts.write(limit, most),
        "used": amounts.write(limit, standing),
        "next": date_format(allowed.period.end, pgettext("date", "j F")),
    }
    if limit in plans.METERS:
        sentence = _(
            "The %(plan)s plan allows %(limit)s a month, and %(used)s are used. "
            "Upgrade the plan, or go on from %(next)s."
        )
    else:
        sentence = _(
            "The %(plan)s plan allows %(limit)s, and %(used)s are in use. "
            "Upgrade the plan, or remove what you no longer need."
        )
    slug = tenants.tenant_get(tenant_id).slug
    return QuotaExceeded(
        sentence % facts,
        meter=limit,
        limit=most,
        used=standing,
        upgrade_url=f"{settings.SITE_URL}{reverse('usage:index', args=[slug])}",
    )
