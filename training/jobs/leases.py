"""What a worker writes: every write names the attempt, so a worker that lost its lease can't.

Times are the database's, so that clocks of hosts don't matter.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Now

from billing import plans, usage
from modelyard.core import queue
from tenants import access
from tenants import selectors as tenants
from tenants.controls import switches
from tenants.scoping.context import tenant_scope
from training.jobs import journal
from training.jobs.models import Run
from training.jobs.states import HELD, RunStatus
from training.jobs.types import Item, Lease, LeaseLost
from training.registry import services as registry
from training.registry.models import ModelVersion
from training.registry.types import NewVersion


def lease_length() -> dt.timedelta:
    """Return how long a lease lasts without a heartbeat."""
    return dt.timedelta(seconds=settings.RUN_LEASE_SECONDS)


def claim(*, tenant_id: uuid.UUID, run_id: uuid.UUID, owner: str) -> Lease | None:
    """Take a queued run: attempt + 1 and a lease; None when it is not there to be taken.

    While training is paused, or the tenant is closed, it stays in the queue: the sweep rings again.
    """
    if switches.is_stopped(switches.TRAINING) or not tenants.tenant_get(tenant_id).is_active:
        return None
    with tenant_scope(tenant_id):
        taken = journal.move(
            run_id,
            RunStatus.STARTING,
            [Item("state", {"status": RunStatus.STARTING})],
            attempt=F("attempt") + 1,
            starts=F("starts") + 1,
            lease_owner=owner,
            lease_until=Now() + lease_length(),
            heartbeat_at=Now(),
            started_at=Now(),
            phase="",
            step=0,
            steps=0,
            eta_seconds=None,
        )
        if not taken:
            return None
        attempt = Run.objects.values_list("attempt", flat=True).get(pk=run_id)
        return Lease(tenant_id, run_id, attempt, owner)


def beat(lease: Lease) -> str | None:
    """Renew the lease; return the run's state (`cancelling` asks to stop), None when lost."""
    with tenant_scope(lease.tenant_id):
        rows = Run.objects.filter(_held(lease), pk=lease.run_id)
        if not rows.update(lease_until=Now() + lease_length(), heartbeat_at=Now()):
            return None
        return str(Run.objects.values_list("status", flat=True).get(pk=lease.run_id))


def say(lease: Lease, items: Sequence[Item], **fields: object) -> None:
    """Write events and progress.

    Raises:
        LeaseLost: The run is somebody else's now.
    """
    with tenant_scope(lease.tenant_id):
        if not journal.note(lease.run_id, items, where=_held(lease), **fields):
            raise LeaseLost


def advance(lease: Lease, to: str, **fields: object) -> bool:
    """Move the run on; False when it is being cancelled.

    Raises:
        LeaseLost: The run is somebody else's now.
    """
    with tenant_scope(lease.tenant_id):
        if journal.move(
            lease.run_id, to, [Item("state", {"status": to})], where=_held(lease), **fields
        ):
            return True
        if not Run.objects.filter(_held(lease), pk=lease.run_id).exists():
            raise LeaseLost
        return False


def finish(lease: Lease, new: NewVersion, *, train_ms: int) -> ModelVersion:
    """Register, charge and succeed in one transaction, or do none of it.

    The charge is keyed by the run, so that whatever is repeated counts once.

    Raises:
        LeaseLost: The run is somebody else's now; nothing was written.
    """
    actor = access.system(lease.tenant_id)
    with tenant_scope(lease.tenant_id):
        # Lock first: a reaper that waits here finds the run succeeded, one that was faster
        # leaves nothing to lock.
        rows = Run.objects.select_for_update().filter(_held(lease), pk=lease.run_id)
        if rows.first() is None:
            raise LeaseLost
        version = registry.version_register(actor=actor, new=new)
        done = journal.move(
            lease.run_id,
            RunStatus.SUCCEEDED,
            [
                Item(
                    "succeeded",
                    {
                        "version_id": str(version.pk),
                        "version": version.number,
                        "model": new.model_name,
                        "macro_f1": new.metrics.get("macro_f1"),
                        "baseline_macro_f1": new.metrics.get("baseline_macro_f1"),
                    },
                )
            ],
            where=_held(lease),
            output_version=version,
            summary=dict(new.metrics),
            train_ms=train_ms,
            **_ended(),
        )
        if not done:
            raise LeaseLost
        usage.record(
            tenant_id=lease.tenant_id,
            entry_id=f"run:{lease.run_id}",
            meter=plans.TRAIN_MS,
            amount=train_ms,
            subject={"run": str(lease.run_id), "attempt": lease.attempt, "version": version.pk},
        )
        return version


def fail(lease: Lease, code: str, message: str, *, facts: Mapping[str, object]) -> None:
    """End the run without a model; nothing is charged.

    Raises:
        LeaseLost: The run is somebody else's now.
    """
    with tenant_scope(lease.tenant_id):
        ended = journal.move(
            lease.run_id,
            RunStatus.FAILED,
            [Item("failed", {"code": code, "message": message, **facts})],
            where=_held(lease),
            error_code=code,
            error_message=message,
            **_ended(),
        )
        if not ended:
            cancel(lease)


def cancel(lease: Lease) -> None:
    """End a run that somebody asked to stop.

    Raises:
        LeaseLost: The run is somebody else's now.
    """
    with tenant_scope(lease.tenant_id):
        if not journal.move(
            lease.run_id,
            RunStatus.CANCELLED,
            [Item("cancelled", {})],
            where=_held(lease),
            **_ended(),
        ):
            raise LeaseLost


def give_back(lease: Lease, code: str, message: str) -> bool:
    """Queue the run again after a loss that is not its fault; False: it was the last try.

    Raises:
        LeaseLost: The run is somebody else's now.
    """
    with tenant_scope(lease.tenant_id):
        again = journal.move(
            lease.run_id,
            RunStatus.QUEUED,
            requeued(code, message),
            where=_held(lease) & Q(starts__lt=settings.RUN_MAX_ATTEMPTS),
            queued_at=Now(),
            **released(),
        )
        if again:
            queue.enqueue("runs.execute", tenant_id=str(lease.tenant_id), run_id=str(lease.run_id))
            return True
    fail(lease, code, message, facts={})
    return False


def released() -> dict[str, object]:
    """Return the fields of a run that nobody holds."""
    return {"lease_owner": "", "lease_until": None, "eta_seconds": None}


def requeued(code: str, message: object) -> list[Item]:
    """Return the events of a run that goes back to the queue."""
    return [
        Item("warning", {"code": code, "message": str(message)}),
        Item("state", {"status": RunStatus.QUEUED}),
    ]


def _ended() -> dict[str, object]:
    return {**released(), "finished_at": Now()}


def _held(lease: Lease) -> Q:
    return Q(attempt=lease.attempt, lease_owner=lease.owner, status__in=HELD)
