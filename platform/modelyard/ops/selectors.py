"""Reads across tenants; each runs inside `ops_scope`."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from billing import entitlements, periods, plans
from billing.models import Account, Entry
from modelyard.core import clock
from tenants.models import AuditEvent, Membership, Role, Tenant, User
from training.datasets.models import Upload
from training.jobs import failures
from training.jobs.models import Run, RunEvent
from training.jobs.states import FINAL, HELD, WORKING, RunStatus
from training.registry.models import ModelVersion

DAY = dt.timedelta(days=1)
LOG_LINES = 500
STUCK_SHOWN = 20
WAITS_LONG = dt.timedelta(minutes=5)
PLATFORM = (
    failures.WORKER_LOST,
    failures.ENGINE_CRASHED,
    failures.STALLED,
    failures.INTERNAL,
    failures.DATABASE_LOST,
)
"""Codes of failures that the customer did not cause."""


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


def find(typed: str) -> tuple[str, uuid.UUID | None]:
    """Return (route, id) of the run or workspace that was typed; (..., None) where none is."""
    tenant = Tenant.objects.filter(slug=typed.lower()).values_list("pk", flat=True).first()
    if tenant is not None:
        return "tenants_tenant", tenant
    try:
        wanted = uuid.UUID(typed)
    except ValueError:
        return "", None
    if Tenant.objects.filter(pk=wanted).exists():
        return "tenants_tenant", wanted
    return "jobs_run", wanted if run_tenant(wanted) else None


def runs_by_state() -> list[tuple[str, int]]:
    """Return (state, how many runs) for every state, in a run's order."""
    found = dict(Run.objects.order_by().values_list("status").annotate(Count("pk")))
    return [(state.value, found.get(state.value, 0)) for state in RunStatus]


def runs_stuck() -> list[Run]:
    """Return runs that need a look, longest first; at most 20.

    They wait for over five minutes, or their worker is silent, or they failed since yesterday
    through no fault of the customer's.
    """
    now = clock.now()
    stuck = (
        Q(status=RunStatus.QUEUED, queued_at__lt=now - WAITS_LONG)
        | Q(status__in=HELD, lease_until__lt=now)
        | Q(status=RunStatus.FAILED, finished_at__gte=now - DAY, error_code__in=PLATFORM)
    )
    rows = with_tenant(Run.objects.all()).filter(stuck)
    return list(rows.order_by("queued_at")[:STUCK_SHOWN])


def queue_oldest() -> dt.datetime | None:
    """Return since when the longest waiting run waits; None when none does."""
    found: dt.datetime | None = Run.objects.filter(status=RunStatus.QUEUED).aggregate(
        at=Min("queued_at")
    )["at"]
    return found


def tenants_active(since: dt.datetime) -> int:
    """Count the workspaces that used a meter, or in which somebody did something, since then."""
    used = Entry.objects.filter(tenant_id=OuterRef("pk"), meter__in=plans.METERS, at__gte=since)
    acted = AuditEvent.objects.filter(tenant_id=OuterRef("pk"), created_at__gte=since).exclude(
        actor_kind__in=["system", "staff"]
    )
    return Tenant.objects.filter(Exists(used) | Exists(acted)).count()


def sign_ups(since: dt.datetime) -> int:
    """Count the people who signed up since then."""
    return User.objects.filter(date_joined__gte=since, is_staff=False).count()


def stored() -> tuple[int, int]:
    """Return (bytes of uploads and models in the object store, bytes of the database)."""
    uploads = Upload.objects.exclude(status__in=["abandoned", "rejected"])
    objects = uploads.aggregate(n=Sum("bytes"))["n"] or 0
    objects += ModelVersion.objects.aggregate(n=Sum("bytes"))["n"] or 0
    with connection.cursor() as cursor:
        cursor.execute("select pg_database_size(current_database())")
        return int(objects), int(cursor.fetchone()[0])


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


def runs_named(names: list[str]) -> dict[str, Run]:
    """Return the runs of these ids, by id as text."""
    return {str(run.pk): run for run in Run.objects.filter(pk__in=names)} if names else {}


def is_stuck(run: Run) -> bool:
    """Tell whether a requeue gets the run on: it failed, waits, or its worker's lease is over."""
    if run.status in {RunStatus.FAILED, RunStatus.QUEUED}:
        return True
    silent = run.lease_until is not None and run.lease_until < clock.now()
    return run.status in WORKING and silent


def is_open(run: Run) -> bool:
    """Tell whether the run can be cancelled."""
    return run.status not in {*FINAL, RunStatus.SAVING, RunStatus.CANCELLING}


def members_of(tenant_id: uuid.UUID) -> list[Membership]:
    """Return who works in the workspace, owners first."""
    rows = Membership.objects.filter(tenant_id=tenant_id).select_related("user")
    return sorted(rows, key=lambda row: (row.role != Role.OWNER, row.role, row.user.email))
