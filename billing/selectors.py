"""Reads for the usage page and the API."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from billing import amounts, entitlements, plans
from billing.models import Account, Entry
from billing.periods import Period
from billing.plans import Plan
from tenants.scoping.context import tenant_scope

Namer = Callable[[list[str]], dict[str, str]]
_namers: dict[str, Namer] = {}


def names_by(kind: str, namer: Namer) -> None:
    """Register who knows the names of a subject's ids (`deployment`, `version`)."""
    _namers[kind] = namer


@dataclass(frozen=True)
class Line:
    """An entry with the names of what it was for."""

    at: dt.datetime
    meter: str
    title: str
    amount: int
    amount_text: str
    subject: Mapping[str, str]
    entry_id: str


@dataclass(frozen=True)
class Gauge:
    """One limit: what is used, what is allowed (None is no limit)."""

    name: str
    title: str
    used: int
    limit: int | None
    used_text: str
    limit_text: str
    share: int

    @property
    def is_reached(self) -> bool:
        """Tell whether nothing is left."""
        return self.limit is not None and self.used >= self.limit


@dataclass(frozen=True)
class Summary:
    """The plan, the period and every gauge that somebody counts."""

    plan: Plan
    period: Period
    gauges: list[Gauge]


def summary(tenant_id: uuid.UUID) -> Summary:
    """Return what the tenant uses of its plan now."""
    allowed = entitlements.current(tenant_id)
    gauges = []
    for name in plans.LIMITS:
        used = entitlements.used(tenant_id, name)
        if used is None:
            continue
        limit = allowed.limits[name]
        gauges.append(
            Gauge(
                name=name,
                title=str(plans.TITLES[name]),
                used=used,
                limit=limit,
                used_text=amounts.short(name, used),
                limit_text="" if limit is None else amounts.short(name, limit),
                share=0 if not limit else min(100, round(100 * used / limit)),
            )
        )
    return Summary(allowed.plan, allowed.period, gauges)


@dataclass(frozen=True)
class Standing:
    """What the workspace pays for; see `models.Account` for the dates."""

    plan: Plan
    in_force: Plan
    is_past_due: bool
    has_customer: bool
    period_end: dt.datetime | None
    ends_at: dt.datetime | None
    grace_until: dt.datetime | None


def standing(tenant_id: uuid.UUID) -> Standing:
    """Return what the workspace pays for."""
    with tenant_scope(tenant_id):
        account = Account.objects.first() or Account()
    return Standing(
        plan=plans.PLANS[account.plan],
        in_force=entitlements.current(tenant_id).plan,
        is_past_due=account.status == Account.Status.PAST_DUE,
        has_customer=bool(account.stripe_customer),
        period_end=account.period_end,
        ends_at=account.ends_at,
        grace_until=account.grace_until,
    )


def entry_list(*, request_id: str = "", meter: str = "") -> QuerySet[Entry]:
    """Return the ledger of the tenant in scope, newest first."""
    rows: QuerySet[Entry] = Entry.objects.order_by("-id")
    if request_id:
        rows = rows.filter(entry_id=request_id)
    if meter:
        rows = rows.filter(meter=meter)
    return rows


def lines_of(entries: Sequence[Entry]) -> list[Line]:
    """Return entries as people read them: ids by their names where somebody knows them."""
    names: dict[str, dict[str, str]] = {}
    for kind, namer in _namers.items():
        asked = {str(entry.subject[kind]) for entry in entries if kind in entry.subject}
        names[kind] = namer(sorted(asked)) if asked else {}
    return [
        Line(
            at=entry.at,
            meter=entry.meter,
            title=str(plans.TITLES[entry.meter]),
            amount=entry.amount,
            amount_text=amounts.short(entry.meter, entry.amount),
            subject={
                kind: names.get(kind, {}).get(str(value), str(value))
                for kind, value in entry.subject.items()
            },
            entry_id=entry.entry_id,
        )
        for entry in entries
    ]
