"""Reads of runs and their events, in the tenant's scope."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from modelyard.core.errors import NotFound
from modelyard.core.live import Event
from tenants.scoping.context import tenant_scope
from training.datasets import lineage
from training.jobs.models import Run, RunEvent
from training.jobs.states import FINAL, RunStatus

EVENTS_AT_ONCE = 500
FINAL_KINDS: frozenset[str] = frozenset(str(state.value) for state in FINAL)
"""Kinds of events after which a stream ends."""


def run_list() -> QuerySet[Run]:
    """Return runs, newest first, with what their titles need."""
    return Run.objects.select_related("dataset_version__dataset", "output_version").order_by("-id")


def run_get(run_id: uuid.UUID) -> Run:
    """Return one run.

    Raises:
        NotFound: There is none of that id here.
    """
    found: Run | None = run_list().filter(pk=run_id).first()
    if found is None:
        raise NotFound(_("There is no such run."))
    return found


def run_active() -> QuerySet[Run]:
    """Return the runs that wait or work, newest first."""
    return run_list().exclude(status__in=FINAL)


def queue_position(run: Run) -> int | None:
    """Return the place of a waiting run among the tenant's own, from 1."""
    if run.status != RunStatus.QUEUED:
        return None
    return Run.objects.filter(status=RunStatus.QUEUED, queued_at__lt=run.queued_at).count() + 1


def event_list(run_id: uuid.UUID, *, after: int = 0) -> list[RunEvent]:
    """Return the events after a number, in order; at most 500."""
    rows = RunEvent.objects.filter(run_id=run_id, seq__gt=after).order_by("seq")
    return list(rows[:EVENTS_AT_ONCE])


def event_kinds(run_id: uuid.UUID, kinds: list[str], *, latest: int) -> list[RunEvent]:
    """Return the latest events of some kinds, in order."""
    rows = RunEvent.objects.filter(run_id=run_id, kind__in=kinds).order_by("-seq")
    return list(rows[:latest])[::-1]


def event_json(event: RunEvent) -> dict[str, Any]:
    """Return an event as the browser and the API get it; `at` is Unix time in seconds."""
    return {
        "seq": event.seq,
        "kind": event.kind,
        "at": event.created_at.timestamp(),
        "payload": event.payload,
    }


def events_for_stream(tenant_id: uuid.UUID, run_id: uuid.UUID, after: int) -> list[Event]:
    """Read what the live stream sends next, in a short scope of its own.

    It runs in a thread that the stream borrowed, so the connection is given back at once: a
    page that is left open for an hour holds none.
    """
    try:
        with tenant_scope(tenant_id):
            return [(row.seq, row.kind, event_json(row)) for row in event_list(run_id, after=after)]
    finally:
        connection.close()


def events_page(run: Run, *, after: int) -> dict[str, Any]:
    """Return events after a number, and whether nothing more will come."""
    rows = event_list(run.pk, after=after)
    return {
        "events": [event_json(row) for row in rows],
        "final": run.is_final and len(rows) < EVENTS_AT_ONCE,
    }


def made_from(version_ids: Sequence[uuid.UUID]) -> Iterable[lineage.Use]:
    """Yield the runs on these dataset versions, newest first."""
    for run in run_list().filter(dataset_version__in=version_ids):
        yield lineage.Use(
            kind="run",
            id=run.pk,
            title=run.title,
            status=run.status,
            version_id=run.dataset_version_id,
            page="runs:detail",
            page_id=str(run.pk),
            busy=not run.is_final,
        )


lineage.askers_of_use.append(made_from)
