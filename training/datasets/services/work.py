"""Claiming long work on a dataset: a lease with an attempt number that fences later writes.

A worker calls `claim`, then `keep` at each step (at least every few seconds, in the transaction
of what it writes), then `end`. Whoever lost the claim (cancelled, or another worker took over)
finds out at the next `keep` and writes nothing more.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.conf import settings
from django.db.models import F, Q

from modelyard.core import clock, live
from modelyard.core.states import StateMachine
from tenants import access, audit
from tenants.access import Actor
from tenants.scoping.context import tenant_scope
from training.datasets.models import Work
from training.datasets.states import WORK

MAX_ATTEMPTS = 3
Row = TypeVar("Row", bound=Work)


class WorkLost(Exception):
    """The work was cancelled, or another worker has it."""


def topic(row: Work) -> str:
    """Return the live topic of a piece of work, e.g. `change:<id>`."""
    return f"{row._meta.model_name}:{row.pk}"  # noqa: SLF001 - Django's public spelling


@dataclass(frozen=True)
class Claim(Generic[Row]):
    """One worker's right to work on one row."""

    row: Row
    machine: StateMachine = WORK

    def keep(self, **fields: object) -> None:
        """Renew the lease and write `fields` (say `done`), inside an open scope; ring the page.

        The row stays locked until the scope ends, so what the same transaction writes besides
        can't come after a cancel.

        Raises:
            WorkLost: Write nothing more.
        """
        rows = type(self.row).objects.filter(
            pk=self.row.pk,
            attempt=self.row.attempt,
            status=self.row.status,
            # Work that was stopped and started again counts its attempts anew.
            started_at=self.row.started_at,
        )
        if not rows.update(lease_until=_lease_end(), **fields):
            raise WorkLost
        live.publish(topic(self.row))

    def end(self, status: str, **fields: object) -> None:
        """Move the row to `status`, with its audit row, inside an open scope."""
        self.keep(**fields)
        now = clock.now()
        self.machine.require(
            self.row, status, moved_at=now, finished_at=now, lease_until=None, attempt=0
        )
        name = self.row._meta.model_name  # noqa: SLF001
        audit.record(access.system(self.row.tenant_id), f"{name}.{status}", self.row)

    def fail(self, code: str, data: Mapping[str, object] | None = None) -> None:
        """End as `failed` with a code of `reasons`; opens its own scope."""
        with tenant_scope(self.row.tenant_id):
            self.end("failed", error_code=code, error_data=dict(data or {}))


def _lease_end() -> dt.datetime:
    return clock.now() + dt.timedelta(seconds=settings.RUN_LEASE_SECONDS)


def claim(
    model: type[Row],
    *,
    tenant_id: uuid.UUID,
    row_id: uuid.UUID,
    machine: StateMachine = WORK,
    running: str = "running",
) -> Claim[Row] | None:
    """Claim the row if it waits, or if its worker died; None otherwise. Opens its own scope.

    A row that was claimed too often in vain ends as `failed` with `work_lost`.
    """
    now = clock.now()
    with tenant_scope(tenant_id):
        rows = model.objects.filter(pk=row_id)
        free = Q(lease_until=None) | Q(lease_until__lt=now)
        if running == "running":
            waiting = rows.filter(status="waiting")
            machine.advance(waiting, "running", moved_at=now, started_at=now, attempt=0, done=0)
        taken = rows.filter(free, status=running).update(
            attempt=F("attempt") + 1, lease_until=_lease_end()
        )
        if not taken:
            return None
        row = rows.get()
    claimed = Claim(row, machine)
    if row.attempt > MAX_ATTEMPTS and running == "running":
        claimed.fail("work_lost")
        return None
    return claimed


def cancel(*, actor: Actor, row: Row, machine: StateMachine = WORK, to: str = "cancelled") -> Row:
    """Stop waiting or running work; its worker finds out at its next step. Needs an open scope.

    Raises:
        Conflict: It ended already.
    """
    access.require(actor, "data.write")
    now = clock.now()
    machine.require(row, to, moved_at=now, finished_at=now, lease_until=None)
    audit.record(actor, f"{row._meta.model_name}.{to}", row)  # noqa: SLF001
    live.publish(topic(row))
    return row
