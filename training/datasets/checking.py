"""Reads of checks: what was found, whether it still holds, which rows are meant."""

from __future__ import annotations

import hashlib
import json
import uuid

from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from modelyard.core.errors import Conflict
from training.datasets import selectors
from training.datasets.models import Change, Check, Dataset, Example, Flag, Tally, Upload
from training.datasets.states import CHECKS

OF_VERSIONS = frozenset({"leakage"})
"""Checks that look at the newest frozen version besides the rows."""
_POINTED = "pointed_at"
OF_IMAGES = ("labels",)
"""Checks that say something of images."""


def kinds_of(dataset: Dataset) -> tuple[str, ...]:
    """Return the checks that a dataset's rows can be asked: the others are for texts."""
    return OF_IMAGES if dataset.holds_images else CHECKS


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


def check_require(dataset_id: uuid.UUID, kind: str) -> None:
    """Refuse to go by a check that is not done, or saw other rows than there are now.

    Raises:
        Conflict: `check_not_done`, `check_stale`.
    """
    found = check_of(dataset_id, kind)
    if found is None or found.status != Check.Status.DONE:
        raise Conflict(
            _("This goes by a check that has not ended. Fix the rows when it is done."),
            code="check_not_done",
        )
    if is_stale(found, rows_mark(dataset_id)):
        raise Conflict(
            _("Rows changed since this check ran. Run it again, then fix what it finds."),
            code="check_stale",
        )


def flagged_rows(
    rows: QuerySet[Example], dataset_id: uuid.UUID, kind: str, **flags: object
) -> QuerySet[Example]:
    """Return those of a dataset's rows that a check points at; for pages of them see `beyond`.

    Args:
        rows: Rows of the dataset.
        dataset_id: Of which dataset.
        kind: Of the check.
        flags: What else its flags must be: lookups that begin with `flags__`.
    """
    check = check_of(dataset_id, kind)
    if check is None:
        return rows.none()
    # A check points at a row once, so a join repeats none; it may begin at the flags, by row.
    return rows.filter(flags__source=check, **flags).alias(**{_POINTED: F("flags__example_id")})


def beyond(
    rows: QuerySet[Example], edge: uuid.UUID, *, ascending: bool = True
) -> QuerySet[Example]:
    """Return those of the rows that come after `edge` by id.

    PostgreSQL doesn't conclude that their flags do, too: from the flags' side, a page would
    cost as much as all before it.
    """
    way = "gt" if ascending else "lt"
    names = ["pk", _POINTED] if _POINTED in rows.query.annotations else ["pk"]
    return rows.filter(**{f"{name}__{way}": edge for name in names})
