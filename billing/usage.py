"""The ledger: what was used, each use once, whatever is delivered twice.

An entry is keyed by what was used (`entry_id`) and the meter; a repeated insert is ignored.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, Sum
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import TruncDate, TruncHour

from billing import plans
from billing.models import Entry
from billing.periods import Period
from modelyard.core import clock, ids
from tenants.scoping.context import tenant_scope

_INSERT = (
    "insert into billing_entry (id, tenant_id, created_at, entry_id, meter, amount, at, subject)"
    " values (%s, %s, now(), %s, %s, %s, %s, %s::jsonb)"
    " on conflict (tenant_id, entry_id, meter) do nothing"
)


def record(
    *,
    tenant_id: uuid.UUID,
    entry_id: str,
    meter: str,
    amount: int,
    subject: Mapping[str, object],
    at: dt.datetime | None = None,
) -> bool:
    """Write one use in the caller's transaction and scope; False when it stands already.

    Args:
        tenant_id: Who used it; must be the tenant in scope.
        entry_id: What was used, e.g. `run:<id>`; the same id and meter count once.
        meter: One of `plans.METERS`.
        amount: How much, in the meter's unit; not negative.
        subject: Opaque ids for the reader of the ledger.
        at: When; now by default.

    Raises:
        ValueError: The meter does not exist.
    """
    if meter not in plans.METERS:
        raise ValueError(f"no such meter: {meter}")
    facts = json.dumps(dict(subject), default=str)
    moment = at or clock.now()
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [ids.new(), tenant_id, entry_id, meter, amount, moment, facts])
        return int(cursor.rowcount) == 1


def used(tenant_id: uuid.UUID, meter: str, period: Period) -> int:
    """Return how much of a meter the tenant used in the period."""
    with tenant_scope(tenant_id):
        rows = Entry.objects.filter(meter=meter, at__gte=period.start, at__lt=period.end)
        return int(rows.aggregate(total=Sum("amount"))["total"] or 0)


def by_day(tenant_id: uuid.UUID, meter: str, period: Period) -> list[tuple[dt.date, int]]:
    """Return (day, amount) for each day of the period up to today, zeros included."""
    with tenant_scope(tenant_id):
        rows = (
            Entry.objects.filter(meter=meter, at__gte=period.start, at__lt=period.end)
            .annotate(day=TruncDate("at", tzinfo=dt.UTC))
            .values("day")
            .annotate(total=Sum("amount"))
        )
        found = {row["day"]: int(row["total"]) for row in rows}
    last = min(period.last_day, clock.now().date())
    days = (last - period.start.date()).days + 1
    listed = (period.start.date() + dt.timedelta(days=number) for number in range(days))
    return [(day, found.get(day, 0)) for day in listed]


@dataclass(frozen=True)
class Hour:
    """What one subject used within an hour."""

    start: dt.datetime
    requests: int
    amount: int


def by_hour(
    tenant_id: uuid.UUID, meter: str, subject: str, *, since: dt.datetime, only: str = ""
) -> dict[str, list[Hour]]:
    """Return what each subject used, hour by hour; hours without use are left out.

    Args:
        tenant_id: Whose ledger.
        meter: One of `plans.METERS`.
        subject: Kind of the subject's id, e.g. `deployment`.
        since: The first moment that counts.
        only: The one id to return; '' is all.
    """
    with tenant_scope(tenant_id):
        rows = Entry.objects.filter(meter=meter, at__gte=since)
        if only:
            rows = rows.filter(**{f"subject__{subject}": only})
        grouped = (
            rows.annotate(
                whose=KeyTextTransform(subject, "subject"), hour=TruncHour("at", tzinfo=dt.UTC)
            )
            .values("whose", "hour")
            .annotate(requests=Count("id"), total=Sum("amount"))
            .order_by("hour")
        )
        found: dict[str, list[Hour]] = {}
        for row in grouped:
            hour = Hour(start=row["hour"], requests=row["requests"], amount=int(row["total"]))
            found.setdefault(row["whose"] or "", []).append(hour)
    return found
