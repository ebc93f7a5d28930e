"""Reads across tenants; each runs inside `ops_scope`."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.conf import settings
from django.db.models import Count, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from billing import entitlements, periods, plans
from billing.models import Account, Entry
from modelyard.core import clock
from tenants.models import Membership, Tenant
from training.jobs.models import Run, RunEvent
from training.jobs.states import RunStatus

DAY = dt.timedelta(days=1)
LOG_LINES = 500
FAILED_SHOWN = 20


def with_tenant(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Add each row's workspace as `tenant_slug`."""
    slug = Tenant.objects.filter(pk=OuterRef("tenant_id")).values("slug")
    named: QuerySet[Any] = rows.annotate(tenant_slug=Subquery(slug))
    return named


def with_usage(tenants: QuerySet[Tenant]) -> QuerySet[Tenant]:
    """Add plan, members, and this month's use of each meter as `used_<meter>`."""
    period = periods.current()
    account = Account.objects.filter(tenant_id=OuterRef("pk"))
    members = (
        Membership.objects.filter(tenant=OuterRef("pk"))
        .values("tenant")
        .annotate(total=Count("pk"))
        .values("total")
    )
    entries = Entry.objects.filter(
        tenant_id=OuterRef("pk"), at__gte=period.start, at__lt=period.end
    ).order_by()
    used = {
        f"used_{meter}": Coalesce(
            Subquery(
                entries.filter(meter=meter)
                .values("tenant_id")
                .annotate(total=Sum("amount"))
                .values("total")
            ),
            0,
        )
        for meter in plans.METERS
    }
    return tenants.annotate(
        account_plan=Subquery(account.values("plan")),
        account_status=Subquery(account.values("status")),
        account_grace=Subquery(account.values("grace_until")),
        members=Coalesce(Subquery(members), 0),
        **used,
    )


def plan_title(*, plan: str | None, status: str | None, grace_until: dt.datetime | None) -> str:
    """Return the title of what the tenant may use, by the columns of `tenants_annotated`."""
    if settings.BILLING == "off":
        return plans.SELF_HOSTED.title
    if plan is None or status is None:
        return plans.FREE.title
    return entitlements.in_force(plan=plan, status=status, grace_until=grace_until).title


def runs_by_state() -> list[tuple[str, int]]:
    """Return (state's name for people, how many runs) for every state, in a run's order."""
    found = dict(Run.objects.order_by().values_list("status").annotate(Count("pk")))
    return [(str(state.label), found.get(state.value, 0)) for state in RunStatus]


def runs_failed_lately() -> list[Run]:
    """Return the runs that failed in the last 24 hours, latest first; at most 20."""
    rows = with_tenant(Run.objects.all()).filter(
        status=RunStatus.FAILED, finished_at__gte=clock.now() - DAY
    )
    return list(rows.order_by("-finished_at")[:FAILED_SHOWN])


def run_log(run_id: uuid.UUID) -> list[RunEvent]:
    """Return the last 500 events of a run, in order."""
    rows = RunEvent.objects.filter(run_id=run_id).order_by("-seq")[:LOG_LINES]
    return list(rows)[::-1]


def run_tenant(run_id: uuid.UUID) -> uuid.UUID | None:
    """Return whose run it is; None when there is no such run."""
    found: uuid.UUID | None = (
        Run.objects.filter(pk=run_id).values_list("tenant_id", flat=True).first()
    )
    return found


def silence(run: Run) -> dt.timedelta | None:
    """Return how long ago the worker that holds the run was heard; None when nobody holds it."""
    if run.lease_until is None or run.heartbeat_at is None:
        return None
    return clock.now() - run.heartbeat_at
