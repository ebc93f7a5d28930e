"""What the pages of datasets show, put together from selectors."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as later

from training.datasets import selectors
from training.datasets.models import Example, VersionRow
from training.datasets.views.frame import cursor_of, frame_context

PAGE_ROWS = 50


SPLIT_NAMES = {"train": later("train"), "validation": later("validation"), "test": later("test")}


def list_context(cursor: str) -> dict[str, Any]:
    """Return the context of `datasets/list.html`."""
    rows = selectors.dataset_list()
    after = cursor_of(cursor)
    if after is not None:
        rows = rows.filter(pk__lt=after)
    page = list(rows[: PAGE_ROWS + 1])
    shown = page[:PAGE_ROWS]
    latest = selectors.version_latest([dataset.pk for dataset in shown])
    labels = selectors.label_totals([dataset.pk for dataset in shown])
    datasets = []
    for dataset in shown:
        version = latest.get(dataset.pk)
        facts = {
            "id": dataset.pk,
            "name": dataset.name,
            "rows": dataset.example_count,
            "labels": labels.get(dataset.pk, 0),
            "version": version.number if version else None,
            "status": version.status if version else "",
            "updated_at": version.moved_at if version else dataset.created_at,
        }
        datasets.append(facts)
    following = str(shown[-1].pk) if len(page) > PAGE_ROWS else ""
    return {"datasets": datasets, "page": {"next": following}}


def rows_context(dataset_id: uuid.UUID, filters: Mapping[str, str], cursor: str) -> dict[str, Any]:
    """Return the context of `datasets/_rows.html`: a page in the order of the files."""
    latest = selectors.version_frozen_latest(dataset_id)
    found = selectors.example_find(dataset_id, filters, latest)
    count = found.count()
    after = cursor_of(cursor)
    if after is not None:
        found = found.filter(pk__gt=after)
    page: list[Example] = list(found.order_by("id")[: PAGE_ROWS + 1])
    shown = page[:PAGE_ROWS]
    splits: dict[uuid.UUID, str] = {}
    if latest is not None:
        placed = VersionRow.objects.filter(version=latest, example__in=[row.pk for row in shown])
        splits = dict(placed.values_list("example_id", "split"))
    rows = [
        {
            "seq": row.line,
            "line": row.line,
            "text": row.text[:400],
            "label": row.label,
            "split": SPLIT_NAMES.get(splits.get(row.pk, "")),
        }
        for row in shown
    ]
    following = str(shown[-1].pk) if len(page) > PAGE_ROWS else ""
    return {"rows": rows, "count": count, "page": {"next": following}, "filters": filters}


def detail_context(
    dataset_id: uuid.UUID, filters: Mapping[str, str], cursor: str
) -> dict[str, Any]:
    """Return the context of `datasets/detail.html`."""
    labels = selectors.label_counts(dataset_id)
    frame = frame_context(dataset_id, "rows")
    bars = list(labels.items())[:20]
    if frame["unlabelled"]:
        bars.append((_("Unlabelled"), frame["unlabelled"]))
    return {
        **frame,
        "labels": bars,
        "label_names": list(labels),
        "findings": _findings(dataset_id),
        **rows_context(dataset_id, filters, cursor),
    }


def imports_context(dataset_id: uuid.UUID, cursor: str) -> dict[str, Any]:
    """Return the context of `datasets/imports.html`: a page of imports, newest first."""
    rows = selectors.upload_list(dataset_id)
    after = cursor_of(cursor)
    if after is not None:
        rows = rows.filter(pk__lt=after)
    page = list(rows[: PAGE_ROWS + 1])
    following = str(page[PAGE_ROWS - 1].pk) if len(page) > PAGE_ROWS else ""
    return {
        **frame_context(dataset_id, "imports"),
        "imports": page[:PAGE_ROWS],
        "page": {"next": following},
    }


def _findings(dataset_id: uuid.UUID) -> list[dict[str, str]]:
    titles = {
        "conflicting_labels": ("warn", _("Same text, different labels")),
        "unlabelled": ("info", _("Rows without a label")),
        "rare_labels": ("warn", _("Rare labels")),
    }
    return [
        {
            "tone": titles[finding.code][0],
            "title": titles[finding.code][1],
            "body": finding.sentence,
        }
        for finding in selectors.finding_list(dataset_id)
    ]
