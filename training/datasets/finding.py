"""Finding rows: the filters of the data browser, and search in any language.

Two ways to the same rows. `example_find` tests each row, exact whatever search covers yet: what
changes rows uses it. `page_of` goes by indexes and answers at once at a million rows.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection
from django.db.models import (
    Exists,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Sum,
    TextField,
    UUIDField,
)
from django.db.models.fields.json import KeyTextTransform
from django.utils.translation import gettext as _

from modelyard.core.errors import Conflict
from training.datasets import checking, selectors
from training.datasets.models import Example, Pick, SearchIndex, SearchRow, Tally, VersionRow

NAMES = ("q", "label", "unlabelled", "tag", "split", "source", "flagged", "group", "pick")
PAGE_ROWS = 50
MOST_HITS = 10_000
"""Hits of a search that are fetched at once; a text that more rows have is walked to."""
FEW_ROWS = 5_000
"""A dataset this small is searched row by row: complete at once, texts of any length."""
MOST_COUNTED = 2_000
_WORD = re.compile(r"[^\W_]{3,}")


@dataclass(frozen=True)
class Place:
    """Where a page begins: after or before a row, in the order of the files or newest first."""

    after: uuid.UUID | None = None
    before: uuid.UUID | None = None
    newest: bool = False


@dataclass(frozen=True)
class RowPage:
    """A page of rows.

    Attributes:
        count: Rows that match; where `more`, there are at least that many.
        previous: The page before is before this row; None on the first page.
        next: The page after is after this row; None on the last page.
    """

    rows: list[Example]
    count: int
    more: bool
    previous: uuid.UUID | None
    next: uuid.UUID | None


@dataclass(frozen=True)
class Coverage:
    """How much of a dataset search covers, in rows."""

    covered: int
    total: int


def example_find(
    dataset_id: uuid.UUID, filters: Mapping[str, str]
) -> QuerySet[Example] | checking.Pointed:
    """Return the live examples that match: `q` (a part of the text) and the rest of `NAMES`.

    Raises:
        Conflict: `pick_gone`.
    """
    rows = _plain(dataset_id, filters)
    if filters.get("q"):
        folded = Func(
            KeyTextTransform("text", "data"), function="datasets_fold", output_field=TextField()
        )
        rows = rows.alias(folded=folded).filter(folded__contains=fold(filters["q"]))
    return _pointed(rows, dataset_id, filters)


def _pointed(
    rows: QuerySet[Example], dataset_id: uuid.UUID, filters: Mapping[str, str]
) -> QuerySet[Example] | checking.Pointed:
    """Apply the filters by a check."""
    if not filters.get("flagged"):
        return rows.none() if filters.get("group") else rows
    flags = checking.flagged_by(dataset_id, filters["flagged"])
    if filters.get("group"):
        flags = flags.filter(group=filters["group"])
    return checking.Pointed(rows, flags)


def _plain(dataset_id: uuid.UUID, filters: Mapping[str, str]) -> QuerySet[Example]:
    """Apply every filter but the text and the check."""
    wanted = Q(dataset=dataset_id)
    if filters.get("unlabelled"):
        wanted &= Q(label=None)
    elif filters.get("label"):
        wanted &= Q(label=filters["label"])
    if filters.get("tag"):
        wanted &= ~Q(tags=[]) & Q(tags__contains=[filters["tag"]])
    if filters.get("source"):
        wanted &= Q(upload=filters["source"])
    rows = Example.live.filter(wanted)
    if filters.get("pick"):
        rows = rows.filter(pk__in=_picked(dataset_id, filters["pick"]))
    if filters.get("split"):
        version = selectors.version_frozen_latest(dataset_id)
        if version is None:
            return rows.none()
        placed = VersionRow.objects.filter(
            version=version, split=filters["split"], example=OuterRef("pk")
        )
        rows = rows.filter(Exists(placed))
    return rows


def _picked(dataset_id: uuid.UUID, pick_id: str) -> QuerySet[Pick, uuid.UUID]:
    """Return the ids of the rows that were chosen on a map.

    Raises:
        Conflict: `pick_gone`; without it, a change of those rows would silently change none.
    """
    picks = Pick.objects.filter(dataset=dataset_id, pk=pick_id)
    if not picks.exists():
        raise Conflict(
            _("These rows were chosen on the map too long ago. Choose them there again."),
            code="pick_gone",
        )
    each = Func(F("examples"), function="unnest", output_field=UUIDField())
    each.set_returning = True
    return picks.values_list(each, flat=True)


def fold(text: str) -> str:
    """Return a text as search compares it; the database does it, for rows and questions alike."""
    with connection.cursor() as cursor:
        cursor.execute("select datasets_fold(%s)", [text])
        return str(cursor.fetchone()[0])


def coverage(dataset_id: uuid.UUID) -> Coverage | None:
    """Return how much search covers while it doesn't cover all; None when it does."""
    index = SearchIndex.objects.filter(dataset=dataset_id).exclude(status="done").first()
    if index is None:
        return None
    total = _tallied(dataset_id, {})
    return Coverage(min(index.done, total), total) if total > FEW_ROWS else None


def page_of(dataset_id: uuid.UUID, filters: Mapping[str, str], place: Place) -> RowPage:
    """Return a page of the matching rows, by keys: page 10,000 costs what page 1 does.

    Raises:
        Conflict: `search_too_short`, for a large dataset; `pick_gone`.
    """
    found = matching(dataset_id, filters)
    count, more = _count(dataset_id, filters, found)
    backwards = place.before is not None
    ascending = place.newest == backwards
    edge = place.before or place.after
    if isinstance(found, checking.Pointed):
        found = found.page(edge, PAGE_ROWS + 1, ascending=ascending)
    elif edge is not None:
        found = found.filter(pk__gt=edge) if ascending else found.filter(pk__lt=edge)
    rows = list(found.order_by("pk" if ascending else "-pk")[: PAGE_ROWS + 1])
    beyond = len(rows) > PAGE_ROWS
    rows = rows[:PAGE_ROWS]
    if backwards:
        rows.reverse()
    ends = (beyond, True) if backwards else (edge is not None, beyond)
    return RowPage(
        rows=rows,
        count=count,
        more=more,
        previous=rows[0].pk if rows and ends[0] else None,
        next=rows[-1].pk if rows and ends[1] else None,
    )


def matching(
    dataset_id: uuid.UUID, filters: Mapping[str, str]
) -> QuerySet[Example] | checking.Pointed:
    """Return the matching rows by the way that answers soonest.

    Raises:
        Conflict: `search_too_short`, for a large dataset.
    """
    few = _tallied(dataset_id, filters) <= MOST_HITS
    rows = _plain(dataset_id, filters)
    if not filters.get("q") or _tallied(dataset_id, {}) <= FEW_ROWS:
        found = example_find(dataset_id, filters)
    elif not _WORD.search(folded := fold(filters["q"])):
        raise Conflict(
            _("Type three letters or digits in a row, or one Chinese or Japanese character."),
            code="search_too_short",
        )
    elif len(hits := _hits(dataset_id, filters["q"])) <= MOST_HITS:
        few, found = True, _pointed(rows.filter(pk__in=hits), dataset_id, filters)
    else:
        # So many rows have it that the next page of them is near, wherever one stands.
        having = SearchRow.objects.filter(pk=OuterRef("pk"), folded__contains=folded)
        found = _pointed(rows.filter(Exists(having)), dataset_id, filters)
    return found.among() if few and isinstance(found, checking.Pointed) else found


def _hits(dataset_id: uuid.UUID, query: str) -> list[uuid.UUID]:
    """Return the rows that have the text by the trigram index, no more than just too many."""
    with connection.cursor() as cursor:
        cursor.execute("select datasets_search(%s, %s, %s)", [dataset_id, query, MOST_HITS + 1])
        return [row[0] for row in cursor.fetchall()]


def _count(
    dataset_id: uuid.UUID,
    filters: Mapping[str, str],
    found: QuerySet[Example] | checking.Pointed,
) -> tuple[int, bool]:
    """Count the matching rows: exactly where that is cheap, up to `MOST_COUNTED` elsewhere."""
    if not any(filters.get(name) for name in ("q", "tag", "split", "source", "flagged", "pick")):
        return _tallied(dataset_id, filters), False
    if isinstance(found, checking.Pointed):
        counted = found.count(MOST_COUNTED + 1)
    else:
        counted = found.order_by()[: MOST_COUNTED + 1].count()
    return min(counted, MOST_COUNTED), counted > MOST_COUNTED


def _tallied(dataset_id: uuid.UUID, filters: Mapping[str, str]) -> int:
    rows = Tally.objects.filter(dataset=dataset_id)
    if filters.get("unlabelled"):
        rows = rows.filter(label=None)
    elif filters.get("label"):
        rows = rows.filter(label=filters["label"])
    return int(rows.aggregate(n=Sum("rows"))["n"] or 0)


def parts_of(text: str, query: str, most: int = 400) -> list[tuple[str, bool]]:
    """Cut a text into parts, each with whether it is what was searched; at most `most` long."""
    hit = re.search(re.escape(query), text, re.IGNORECASE) if query else None
    if hit is None:
        return [(text[:most], False)]
    begin = max(0, hit.start() - 60) if hit.end() > most // 4 else 0
    shown = text[begin : begin + most]
    parts: list[tuple[str, bool]] = [("…", False)] if begin else []
    last = 0
    for one in re.finditer(re.escape(query), shown, re.IGNORECASE):
        parts += [(shown[last : one.start()], False), (one.group(), True)]
        last = one.end()
    return [*parts, (shown[last:], False)]
