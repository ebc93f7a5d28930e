"""What the rows page shows: a page of rows, one row in full, and the job that changes them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as later

from modelyard.core.errors import Conflict
from modelyard.core.parts import shortened
from training.datasets import checking, finding, selectors
from training.datasets.finding import Place
from training.datasets.image_links import image_url, thumb_url
from training.datasets.models import ChangeRow, Check, Example, Flag, VersionRow
from training.datasets.states import POINTING
from training.datasets.views.changes import change_facts, state_words
from training.datasets.views.findings import TITLES
from training.datasets.views.frame import cursor_of, frame_context

SPLIT_NAMES = {"train": later("train"), "validation": later("validation"), "test": later("test")}
SHOWN_SOURCES = 50
SHOWN_HISTORY = 20
COMPARED_ROWS = 20_000
"""A page compares the texts of so many rows; of more, a check of the dataset's health does."""


def filters_of(given: Mapping[str, str]) -> dict[str, str]:
    """Return the filters that a page's address names; a wrong one is left out."""
    wanted = {name: given.get(name, "").replace("\x00", "").strip() for name in finding.NAMES}
    if wanted["split"] not in SPLIT_NAMES:
        wanted["split"] = ""
    if wanted["flagged"] not in POINTING:
        wanted["flagged"] = wanted["group"] = ""
    for name in ("source", "group", "pick"):
        wanted[name] = str(cursor_of(wanted[name]) or "")
    return wanted


def place_of(given: Mapping[str, str]) -> Place:
    """Return where the page begins that an address names."""
    after, before = cursor_of(given.get("after", "")), cursor_of(given.get("before", ""))
    return Place(
        after=None if before else after, before=before, newest=given.get("sort") == "newest"
    )


def rows_context(dataset_id: uuid.UUID, filters: Mapping[str, str], place: Place) -> dict[str, Any]:
    """Return the context of `datasets/_rows.html`."""
    given = {name: value for name, value in filters.items() if value}
    asked = given | ({"sort": "newest"} if place.newest else {})
    context: dict[str, Any] = {
        "filters": filters,
        "filtered": bool(given),
        "newest": place.newest,
        "query": urlencode(asked),
        "coverage": finding.coverage(dataset_id) if filters.get("q") else None,
        "flag_note": _flag_note(dataset_id, filters.get("flagged", "")),
    }
    try:
        page = finding.page_of(dataset_id, filters, place)
    except Conflict as refusal:
        return {**context, "rows": [], "refusal": refusal.message}
    splits = _splits(dataset_id, page.rows)
    groups = _groups(dataset_id, filters.get("flagged", ""), page.rows)
    rows = [
        {
            "id": row.pk,
            "seq": row.line,
            "parts": finding.parts_of(row.text, filters.get("q", "")),
            "label": row.label,
            "tags": row.tags,
            "split": splits.get(row.pk),
            "group": groups.get(row.pk),
            "thumb": thumb_url(row.image) if row.image else "",
        }
        for row in page.rows
    ]
    return {
        **context,
        "rows": rows,
        "count": page.count,
        "more": page.more,
        "previous_query": _moved(asked, "before", page.previous),
        "next_query": _moved(asked, "after", page.next),
    }


def _moved(asked: Mapping[str, str], name: str, edge: uuid.UUID | None) -> str:
    return urlencode({**asked, name: str(edge)}) if edge else ""


def _splits(dataset_id: uuid.UUID, rows: Sequence[Example]) -> dict[uuid.UUID, Any]:
    """Return in which split of the newest frozen version each row is."""
    latest = selectors.version_frozen_latest(dataset_id)
    if latest is None:
        return {}
    placed = VersionRow.objects.filter(version=latest, example__in=[row.pk for row in rows])
    return {key: SPLIT_NAMES[split] for key, split in placed.values_list("example_id", "split")}


def _flag_note(dataset_id: uuid.UUID, kind: str) -> str:
    """Say what a reader of the rows that a check points at must know; '' for nothing."""
    if not kind:
        return ""
    check = checking.check_of(dataset_id, kind)
    if check is None:
        return _("Not checked yet.")
    if check.status != Check.Status.DONE:
        return _("This check has not ended: rows that it points at may be missing.")
    if checking.is_stale(check, checking.rows_mark(dataset_id)):
        return _("Rows changed since: this is what was found before.")
    return ""


def _groups(
    dataset_id: uuid.UUID, kind: str, rows: Sequence[Example]
) -> dict[uuid.UUID, dict[str, Any]]:
    """Return, of the rows that a check puts together, each with its group."""
    if not kind:
        return {}
    flags = checking.flagged_by(dataset_id, kind).filter(example__in=[row.pk for row in rows])
    found = flags.exclude(group=None).values_list("example_id", "group", "keep")
    return {key: {"id": group, "keep": keep} for key, group, keep in found}


def _checks(dataset_id: uuid.UUID, chosen: str) -> list[tuple[str, Any]]:
    """Return the checks that point at rows, and the chosen one, with their titles."""
    results = {one.kind: one.result for one in checking.check_list(dataset_id)}
    with_rows = {kind for kind, result in results.items() if result.get("rows")}
    return [(kind, TITLES[kind]) for kind in POINTING if kind in with_rows | {chosen}]


def detail_context(dataset_id: uuid.UUID, given: Mapping[str, str]) -> dict[str, Any]:
    """Return the context of `datasets/detail.html`."""
    filters = filters_of(given)
    labels = selectors.label_counts(dataset_id)
    frame = frame_context(dataset_id, "rows")
    bars = shortened(list(labels.items()), _("Others"))
    if frame["unlabelled"]:
        bars.append((_("Unlabelled"), frame["unlabelled"]))
    change = selectors.change_list(dataset_id).first()
    sources = selectors.upload_list(dataset_id).filter(status="done")
    return {
        **frame,
        "labels": bars,
        "label_names": list(labels),
        "sources": list(sources.values_list("pk", "filename")[:SHOWN_SOURCES]),
        "checks": _checks(dataset_id, filters["flagged"]),
        "row": _row(dataset_id, cursor_of(given.get("row", ""))),
        "change": change_facts(change) if change and _concerns(change.pk, given) else None,
        "findings": _findings(dataset_id, texts=frame["dataset"].example_count <= COMPARED_ROWS),
        **rows_context(dataset_id, filters, place_of(given)),
    }


def _concerns(change_id: uuid.UUID, given: Mapping[str, str]) -> bool:
    return given.get("change") == str(change_id)


def _row(dataset_id: uuid.UUID, row_id: uuid.UUID | None) -> dict[str, Any] | None:
    """Return all of one row, with what changed it and the versions it is in."""
    if row_id is None:
        return None
    row = Example.objects.select_related("upload").filter(pk=row_id, dataset=dataset_id).first()
    if row is None:
        return None
    history = ChangeRow.objects.select_related("change").filter(example=row).order_by("-change_id")
    placed = VersionRow.objects.filter(example=row).order_by("-version__number")
    versions = placed.values_list("version__number", "split")
    return {
        "id": row.pk,
        "seq": row.line,
        "text": row.text,
        "label": row.label,
        "image": {**row.image, "url": image_url(row.image)} if row.image else None,
        "tags": row.tags,
        "fields": sorted((row.data.get("fields") or {}).items()),
        "origin": row.origin or {},
        "file": row.upload.filename,
        "removed": row.removed_in is not None,
        "flags": [
            {"kind": flag.source.kind, "title": TITLES[flag.source.kind], "group": flag.group}
            for flag in Flag.objects.filter(example=row).select_related("source").order_by("pk")
        ],
        "versions": [(number, SPLIT_NAMES[split]) for number, split in versions[:SHOWN_HISTORY]],
        "history": [
            {
                **change_facts(line.change),
                "before": state_words(line.before),
                "after": state_words(line.after),
            }
            for line in history[:SHOWN_HISTORY]
        ],
    }


def _findings(dataset_id: uuid.UUID, *, texts: bool) -> list[dict[str, str]]:
    titles = {
        "conflicting_labels": ("warn", _("Same text, different labels")),
        "unlabelled": ("info", _("Rows without a label")),
        "rare_labels": ("warn", _("Rare labels")),
    }
    return [
        {
            "tone": titles[fact.code][0],
            "title": titles[fact.code][1],
            "body": fact.sentence,
        }
        for fact in selectors.finding_list(dataset_id, texts=texts)
    ]
