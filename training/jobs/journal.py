"""How a run changes: the row and its events in one transaction, then a ring to the browsers.

Every write is one conditional UPDATE that also hands out the events' numbers, so that two
writers never share a number and a writer whose condition no longer holds writes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db import transaction
from django.db.models import F, Q

from modelyard.core import live
from training.jobs.models import Run, RunEvent
from training.jobs.states import RUN
from training.jobs.types import Item


def topic(run_id: uuid.UUID) -> str:
    """Return what the browsers of a run listen to."""
    return f"run:{run_id}"


def move(
    run_id: uuid.UUID, to: str, items: Sequence[Item], *, where: Q | None = None, **fields: object
) -> bool:
    """Move the run to `to` if it may, and `where` holds; False when somebody was faster."""
    with transaction.atomic():
        rows = Run.objects.filter(where or Q(), pk=run_id)
        fields["last_seq"] = F("last_seq") + len(items)
        if not RUN.advance(rows, to, **fields):
            return False
        _append(run_id, items)
        return True


def note(run_id: uuid.UUID, items: Sequence[Item], *, where: Q, **fields: object) -> bool:
    """Write events and fields without a move; False when `where` does not hold."""
    with transaction.atomic():
        rows = Run.objects.filter(where, pk=run_id)
        if not rows.update(last_seq=F("last_seq") + len(items), **fields):
            return False
        _append(run_id, items)
        return True


def _append(run_id: uuid.UUID, items: Sequence[Item]) -> None:
    """Insert the events under the numbers just taken; the UPDATE holds the row's lock."""
    if not items:
        return
    tenant_id, last, attempt = Run.objects.values_list("tenant_id", "last_seq", "attempt").get(
        pk=run_id
    )
    first = last - len(items) + 1
    RunEvent.objects.bulk_create(
        RunEvent(
            tenant_id=tenant_id,
            run_id=run_id,
            seq=first + place,
            attempt=attempt,
            kind=item.kind,
            payload=item.payload,
        )
        for place, item in enumerate(items)
    )
    live.publish(topic(run_id))
