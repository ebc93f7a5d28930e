"""Reads of checks: what was found, whether it still holds, which rows are meant."""

from __future__ import annotations

import hashlib
import json
import uuid

from django.db.models import QuerySet

from training.datasets import selectors
from training.datasets.models import Change, Check, Example, Flag, Tally, Upload

OF_VERSIONS = frozenset({"leakage"})
"""Checks that look at the newest frozen version besides the rows."""


def rows_mark(dataset_id: uuid.UUID) -> str:
    """Return what says that a dataset's rows are still those that a check saw: `rows:version`.

    The first part follows rows by label, the imports that ended and the changes; the second is
    the newest frozen version. None of them is counted by reading rows.
    """
    tallies = Tally.objects.filter(dataset=dataset_id, rows__gt=0).values_list("label", "rows")
    uploads = Upload.objects.filter(dataset=dataset_id, status="done").order_by("-moved_at")
    changes = Change.objects.filter(dataset=dataset_id).order_by("-moved_at")
    version = selectors.version_frozen_latest(dataset_id)
    facts = [
        sorted((label is not None, label or "", rows) for label, rows in tallies),
        list(uploads.values_list("id", "moved_at")[:1]),
        list(changes.values_list("id", "status", "moved_at")[:1]),
    ]
    rows = hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()
    return f"{rows[:31]}:{version.pk.hex if version else ''}"


def check_list(dataset_id: uuid.UUID) -> list[Check]:
    """Return a dataset's checks, in no order."""
    return list(Check.objects.filter(dataset=dataset_id))


def check_of(dataset_id: uuid.UUID, kind: str) -> Check | None:
    """Return the check of that kind, None before its first time."""
    check: Check | None = Check.objects.filter(dataset=dataset_id, kind=kind).first()
    return check


def is_stale(check: Check, mark: str) -> bool:
    """Say whether rows changed since a finished check began; `mark` is `rows_mark` of now.

    A version that was frozen since changes no row: only the check of its splits is out of date.
    """
    if check.status != Check.Status.DONE:
        return False
    if check.kind in OF_VERSIONS:
        return check.mark != mark
    return check.mark.partition(":")[0] != mark.partition(":")[0]


def flagged(dataset_id: uuid.UUID, kind: str) -> QuerySet[Flag]:
    """Return the rows that a dataset's check points at."""
    return Flag.objects.filter(source__dataset=dataset_id, source__kind=kind)


def flagged_rows(dataset_id: uuid.UUID, flags: QuerySet[Flag]) -> QuerySet[Example]:
    """Return the live rows that these flags point at."""
    return Example.live.filter(dataset=dataset_id, pk__in=flags.values("example_id"))
