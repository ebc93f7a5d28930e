"""Reads of checks: what was found, whether it still holds, which rows are meant."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.translation import gettext as _

from modelyard.core.errors import Conflict
from training.datasets import selectors
from training.datasets.models import Change, Check, Dataset, Example, Flag, Tally, Upload
from training.datasets.states import CHECKS

OF_VERSIONS = frozenset({"leakage"})
"""Checks that look at the newest frozen version besides the rows."""
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


def flagged_by(dataset_id: uuid.UUID, kind: str) -> QuerySet[Flag]:
    """Return the same without a join, the check found first."""
    check = check_of(dataset_id, kind)
    return Flag.objects.none() if check is None else Flag.objects.filter(source=check)


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


@dataclass(frozen=True)
class Pointed:
    """Those of some rows that a check points at, read by keys.

    No join: of flags that came since their table was last analysed the planner expects one, and
    would compare each row with each flag. A scalar subquery is looked up flag by flag, in order.

    Attributes:
        rows: Rows of the dataset, in no order.
        flags: Flags of one check, in no order; it has one of a row at most.
    """

    rows: QuerySet[Example]
    flags: QuerySet[Flag]

    def page(
        self, edge: uuid.UUID | None, most: int, *, ascending: bool = True
    ) -> QuerySet[Example]:
        """Return the next rows beyond `edge` by id, in no order."""
        flags = self._kept()
        if edge is not None:
            flags = flags.filter(**{"example_id__gt" if ascending else "example_id__lt": edge})
        flags = flags.order_by("example_id" if ascending else "-example_id")
        ids = list(flags.values_list("example_id", flat=True)[:most])
        return Example.objects.filter(pk__in=ids)

    def count(self, most: int | None = None) -> int:
        """Count the rows, no further than to `most`."""
        return self._kept().order_by()[:most].count()

    def among(self) -> QuerySet[Example]:
        """Return the same rows, for when they are few: each is looked up among the flags."""
        flag = self.flags.filter(example=OuterRef("pk")).values("pk")[:1]
        return self.rows.alias(flag=Subquery(flag)).filter(flag__isnull=False)

    def _kept(self) -> QuerySet[Flag]:
        row = self.rows.filter(pk=OuterRef("example_id")).order_by().values("pk")[:1]
        return self.flags.alias(row=Subquery(row)).filter(row__isnull=False)
