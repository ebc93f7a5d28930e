"""Writes by people and by the scheduler: order a run, stop it, order it again, recover it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Max, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from billing import entitlements, plans
from modelyard.core import clock, queue, storage
from modelyard.core.errors import Conflict
from tenants import access, audit
from tenants.access import Actor
from tenants.controls import hooks as controls
from tenants.controls import switches
from tenants.rights import hooks as rights
from tenants.scoping.context import ops_scope, tenant_scope
from training.datasets import selectors as datasets
from training.jobs import failures, journal, leases, recipes
from training.jobs.models import Run
from training.jobs.selectors import run_get
from training.jobs.states import FINAL, HELD, WORKING, RunStatus
from training.jobs.types import Item
from training.registry.services import model_name_clean

EXECUTE = "runs.execute"


def run_submit(
    *,
    actor: Actor,
    dataset_version_id: uuid.UUID,
    model_name: str,
    preset: str = recipes.DEFAULT_PRESET,
    spec: Mapping[str, Any] | None = None,
) -> Run:
    """Order a run on a frozen dataset version.

    Args:
        actor: Who orders it; needs `runs.write`.
        dataset_version_id: The rows.
        model_name: The model that gets the next version.
        preset: The recipe that the settings start from.
        spec: Settings on top of the recipe (`recipes.OPEN_FIELDS`).

    Raises:
        Invalid: Wrong name or settings.
        NotFound: There is no such dataset version.
        Conflict: `version_not_frozen`; `task_not_trained`: its rows are images.
        QuotaExceeded: No training time is left.
        Unavailable: `training_paused`.
    """
    access.require(actor, "runs.write")
    switches.require_training()
    name = model_name_clean(model_name)
    built = recipes.spec_build(preset, spec or {})
    with tenant_scope(actor.tenant_id):
        version = datasets.version_get(dataset_version_id)
        if version.holds_images:
            raise _images_refused()
        entitlements.require(actor.tenant_id, plans.TRAIN_MS, 1)
        run = Run.objects.create(
            number=_next_number(actor.tenant_id),
            actor_kind=actor.kind,
            actor_id=actor.id,
            dataset_version_id=version.id,
            model_name=name,
            spec=built.to_json(),
            queued_at=clock.now(),
        )
        journal.note(run.pk, [Item("state", {"status": RunStatus.QUEUED})], where=Q())
        audit.record(
            actor, "run.submitted", run, model=name, dataset_version=str(version.id), preset=preset
        )
        _ring(run)
        run.refresh_from_db()
        return run


def _images_refused() -> Conflict:
    return Conflict(
        _("This version holds images, and models are trained on texts so far. Choose another."),
        code="task_not_trained",
    )


def run_cancel(*, actor: Actor, run_id: uuid.UUID, told: Sequence[Item] = ()) -> Run:
    """Stop a run: a queued one at once, one at work at its next step. Repeating is harmless.

    Args:
        actor: Who stops it; needs `runs.write`.
        run_id: Which.
        told: Events that say why.

    Raises:
        NotFound: There is none of that id here.
        Conflict: It is over, or its model is being stored (then it is too late).
    """
    access.require(actor, "runs.write")
    with tenant_scope(actor.tenant_id):
        run = run_get(run_id)
        if run.status in {RunStatus.CANCELLING, RunStatus.CANCELLED}:
            return run
        moved = journal.move(
            run_id,
            RunStatus.CANCELLED,
            [*told, Item("cancelled", {})],
            where=Q(status=RunStatus.QUEUED),
            finished_at=Now(),
            **leases.released(),
        ) or journal.move(
            run_id,
            RunStatus.CANCELLING,
            [*told, Item("state", {"status": RunStatus.CANCELLING})],
        )
        run.refresh_from_db()
        if not moved:
            raise Conflict(
                _("This run is %(state)s, so it can't be cancelled any more.")
                % {"state": run.get_status_display()},
                code="run_state",
                state=run.status,
            )
        audit.record(actor, "run.cancelled", run)
        return run


def run_retry(*, actor: Actor, run_id: uuid.UUID, told: Sequence[Item] = ()) -> Run:
    """Queue a failed run again; its attempts are counted afresh.

    Args:
        actor: Who wants it; needs `runs.write`.
        run_id: Which.
        told: Events that say why.

    Raises:
        NotFound: There is none of that id here.
        Conflict: It has not failed.
        QuotaExceeded: No training time is left.
        Unavailable: `training_paused`.
    """
    access.require(actor, "runs.write")
    switches.require_training()
    with tenant_scope(actor.tenant_id):
        run = run_get(run_id)
        entitlements.require(actor.tenant_id, plans.TRAIN_MS, 1)
        moved = journal.move(
            run_id,
            RunStatus.QUEUED,
            [*told, Item("state", {"status": RunStatus.QUEUED})],
            where=Q(status=RunStatus.FAILED),
            starts=0,
            phase="",
            step=0,
            steps=0,
            error_code="",
            error_message="",
            queued_at=Now(),
            finished_at=None,
            **leases.released(),
        )
        if not moved:
            raise Conflict(
                _("Only a failed run can be run again; this one is %(state)s. Start a new run.")
                % {"state": run.get_status_display()},
                code="run_state",
                state=run.status,
            )
        audit.record(actor, "run.retried", run)
        _ring(run)
        run.refresh_from_db()
        return run


def run_requeue(*, actor: Actor, run_id: uuid.UUID, told: Sequence[Item]) -> Run:
    """Get a run on that is stuck: failed, silent, or waiting with its bell lost.

    A failed run starts afresh; one whose worker's lease is over goes back to the queue, as the
    reaper would put it; for one that waits, the bell rings again.

    Args:
        actor: Who wants it; needs `runs.write`.
        run_id: Which.
        told: Events that say why.

    Raises:
        NotFound: There is none of that id here.
        Conflict: It is over, or its worker answers.
        QuotaExceeded: No training time is left.
    """
    access.require(actor, "runs.write")
    with tenant_scope(actor.tenant_id):
        run = run_get(run_id)
        if run.status == RunStatus.FAILED:
            return run_retry(actor=actor, run_id=run_id, told=told)
        on = journal.note(run_id, told, where=Q(status=RunStatus.QUEUED)) or journal.move(
            run_id,
            RunStatus.QUEUED,
            [*told, Item("state", {"status": RunStatus.QUEUED})],
            where=Q(status__in=WORKING, lease_until__lt=Now()),
            queued_at=Now(),
            **leases.released(),
        )
        run.refresh_from_db()
        if not on:
            raise Conflict(
                _(
                    "This run is %(state)s and not stuck, so there is nothing to requeue."
                    " Cancel it, or wait for it."
                )
                % {"state": run.get_status_display()},
                code="run_state",
                state=run.status,
            )
        audit.record(actor, "run.requeued", run)
        _ring(run)
        return run


def run_reap() -> int:
    """Recover every run whose lease is over; return how many. For the scheduler's login."""
    with ops_scope("runs.reap"):
        expired = list(
            Run.objects.filter(status__in=HELD, lease_until__lt=Now()).values_list(
                "tenant_id", "id", "attempt"
            )
        )
    return sum(
        _reap(tenant_id=tenant_id, run_id=run_id, attempt=attempt)
        for tenant_id, run_id, attempt in expired
    )


def run_sweep() -> int:
    """Ring again for runs that wait for long: a message may be lost, the row is not."""
    with ops_scope("runs.sweep"):
        before = clock.now() - dt.timedelta(seconds=settings.RUN_SWEEP_AFTER_SECONDS)
        waiting = list(Run.objects.filter(status=RunStatus.QUEUED, queued_at__lt=before))
        for run in waiting:
            _ring(run)
    return len(waiting)


def _reap(*, tenant_id: uuid.UUID, run_id: uuid.UUID, attempt: int) -> bool:
    """Move one run on, if its lease is still over."""
    over = Q(attempt=attempt, lease_until__lt=Now())
    code = failures.WORKER_LOST
    message = failures.sentence(code)
    ended = {**leases.released(), "finished_at": Now()}
    with tenant_scope(tenant_id):
        if journal.move(
            run_id,
            RunStatus.QUEUED,
            leases.requeued(code, _("The worker was lost; the run starts again on another one.")),
            where=over & Q(starts__lt=settings.RUN_MAX_ATTEMPTS),
            queued_at=Now(),
            **leases.released(),
        ):
            _ring(Run.objects.get(pk=run_id))
            return True
        gone = journal.move(
            run_id,
            RunStatus.CANCELLED,
            [Item("cancelled", {})],
            where=over & Q(status=RunStatus.CANCELLING),
            **ended,
        ) or journal.move(
            run_id,
            RunStatus.FAILED,
            [Item("failed", {"code": code, "message": message})],
            where=over,
            error_code=code,
            error_message=message,
            **ended,
        )
    if gone:
        storage.delete_prefix(f"{storage.tenant_key(tenant_id, 'models', str(run_id))}/")
    return gone


def _ring_all() -> None:
    """Ring for runs that waited while training was paused; the newest by the next sweep."""
    queue.enqueue("runs.sweep")


def _ring(run: Run) -> None:
    queue.enqueue(EXECUTE, tenant_id=str(run.tenant_id), run_id=str(run.pk))


def _next_number(tenant_id: uuid.UUID) -> int:
    """Return the tenant's next run number; parallel orders wait here, until commit."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"run-number:{tenant_id}"]
        )
    return (Run.objects.aggregate(last=Max("number"))["last"] or 0) + 1


def tenant_stop(tenant_id: uuid.UUID) -> int:
    """Cancel every run of a tenant that goes; return how many a worker still holds."""
    with tenant_scope(tenant_id):
        active = list(Run.objects.exclude(status__in=FINAL).values_list("pk", flat=True))
    for run_id in active:
        # One whose model is being stored ends by itself.
        with suppress(Conflict):
            run_cancel(actor=access.system(tenant_id), run_id=run_id)
    with tenant_scope(tenant_id):
        return Run.objects.filter(status__in=HELD).count()


rights.on_tenant_stopping.append(tenant_stop)
controls.on_tenant_closed.append(tenant_stop)
controls.on_started_again.setdefault(switches.TRAINING, []).append(_ring_all)
