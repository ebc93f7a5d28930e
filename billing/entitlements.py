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
from django.db.models import Q
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from billing import amounts, periods, plans, usage
from billing.models import Account, LimitOverride
from billing.periods import Period
from billing.plans import Plan
from modelyard.core import clock
from modelyard.core.errors import QuotaExceeded, TooLarge
from tenants import selectors as tenants
from tenants.limits import allowance
from tenants.members import seats
from tenants.members import selectors as members
from tenants.scoping.context import tenant_scope

Counter = Callable[[uuid.UUID], int]
_counters: dict[str, Counter] = {plans.SEATS: members.seat_count}


@dataclass(frozen=True)
class Entitlements:
    """What a tenant may use now: the plan, its limits (None is none), and the period.

    `until` is when this stops to hold by itself: an override ends, or the period does.
    """

    plan: Plan
    limits: Mapping[str, int | None]
    period: Period
    until: dt.datetime


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
    """Return what the tenant may use: the plan's limits, and what operators allow instead.

    Without billing (self-hosted) the plan has no limits.
    """
    period, now = periods.current(), clock.now()
    with tenant_scope(tenant_id):
        plan = _plan_of(Account.objects.first())
        rows = list(
            LimitOverride.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), ended_at=None)
        )
    return Entitlements(
        plan=plan,
        limits={**plan.limits, **{row.limit: row.value for row in rows}},
        period=period,
        until=min([period.end, *(row.expires_at for row in rows if row.expires_at is not None)]),
    )


def _plan_of(account: Account | None) -> Plan:
    if settings.BILLING == "off":
        return plans.SELF_HOSTED
    if account is None:
        return plans.FREE
    return in_force(plan=account.plan, status=account.status, grace_until=account.grace_until)


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


def file_limit(tenant_id: uuid.UUID) -> int:
    """Return how many bytes a file that the tenant uploads may have."""
    ours: int = settings.UPLOAD_MAX_BYTES
    most = current(tenant_id).plan.file_bytes
    return ours if most is None else min(most, ours)


def require_file(tenant_id: uuid.UUID, name: str, size: int) -> None:
    """Pass when the plan and this installation take a file of `size` bytes.

    Raises:
        TooLarge: `file_too_large`, with limit, size and a sentence; with upgrade_url where a
            larger plan takes larger files.
    """
    most = file_limit(tenant_id)
    if size <= most:
        return
    facts = {
        "name": name,
        "size": amounts.short(plans.STORAGE_BYTES, size),
        "limit": amounts.short(plans.STORAGE_BYTES, most),
        "plan": current(tenant_id).plan.title,
    }
    if most == settings.UPLOAD_MAX_BYTES:
        sentence = _(
            "%(name)s has %(size)s, and a file may have %(limit)s. "
            "Split it, or compress it with gzip, and upload the parts one by one."
        )
        raise TooLarge(sentence % facts, code="file_too_large", limit=most, size=size)
    sentence = _(
        "%(name)s has %(size)s, and the %(plan)s plan takes files of %(limit)s. Split it, "
        "or compress it with gzip, and upload the parts one by one; or upgrade the plan."
    )
    url = f"{settings.SITE_URL}{_usage_path(tenants.tenant_get(tenant_id).slug)}"
    raise TooLarge(sentence % facts, code="file_too_large", limit=most, size=size, upgrade_url=url)


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
        upgrade_url=f"{settings.SITE_URL}{_usage_path(slug)}",
    )


def require_seat(tenant_id: uuid.UUID, more: int, stands: int) -> None:
    """Pass when the plan has `more` seats than the `stands` that are taken.

    Raises:
        QuotaExceeded: It has not.
    """
    require(tenant_id, plans.SEATS, more, stands=stands)


seats.limited_by(require_seat)


allowance.allow_by(lambda tenant_id: current(tenant_id).plan.api)


def _usage_path(slug: str) -> str:
    """Return the page's path on the site, also from the console, whose own addresses differ."""
    return reverse("usage:index", urlconf="modelyard.urls", args=[slug])
