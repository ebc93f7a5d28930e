"""What the pages of datasets show, put together from selectors; no request is known here."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as later
from django.utils.translation import ngettext

from training.datasets import selectors
from training.datasets.models import DatasetVersion, Example, Upload, VersionRow

PAGE_ROWS = 50
SPLIT_NAMES = {"train": later("train"), "validation": later("validation"), "test": later("test")}


def _cursor(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        return None


def list_context(cursor: str) -> dict[str, Any]:
    """Return the context of `datasets/list.html`."""
    rows = selectors.dataset_list()
    after = _cursor(cursor)
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


def _version(version: DatasetVersion) -> dict[str, Any]:
    return {
        "id": version.pk,
        "number": version.number,
        "status": version.status,
        "rows": version.rows,
        "hash": version.content_hash,
        "frozen_at": version.frozen_at,
        "splits": version.split_counts,
    }


def rows_context(dataset_id: uuid.UUID, filters: Mapping[str, str], cursor: str) -> dict[str, Any]:
    """Return the context of `datasets/_rows.html`: a page in the order of the files."""
    latest = selectors.version_frozen_latest(dataset_id)
    found = selectors.example_find(dataset_id, filters, latest)
    count = found.count()
    after = _cursor(cursor)
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
    dataset = selectors.dataset_get(dataset_id)
    labels = selectors.label_counts(dataset_id)
    labelled = sum(labels.values())
    unlabelled = dataset.example_count - labelled
    versions = list(selectors.version_list(dataset_id)[:50])
    frozen = selectors.version_frozen_latest(dataset_id)
    draft = labelled - (frozen.rows if frozen else 0)
    bars = list(labels.items())[:20]
    if unlabelled:
        bars.append((_("Unlabelled"), unlabelled))
    freezing = any(version.status == "freezing" for version in versions)
    return {
        "dataset": dataset,
        "sentence": _sentence(dataset.example_count, len(labels)),
        "version": _version(frozen) if frozen else None,
        "draft_rows": draft,
        "versions": [_version(version) for version in versions],
        "freezing": freezing,
        "labels": bars,
        "unlabelled": unlabelled,
        "findings": _findings(dataset_id),
        "label_names": list(labels),
        "can_freeze": draft > 0 and not freezing,
        "freeze_problem": "",
        "imports": [
            {
                "id": upload.pk,
                "filename": upload.filename,
                "status": upload.status,
                "created_at": upload.created_at,
                "rejected": upload.rows_rejected,
            }
            for upload in selectors.upload_list(dataset_id)[:10]
        ],
        **rows_context(dataset_id, filters, cursor),
    }


def _sentence(rows: int, labels: int) -> str:
    if not rows:
        return _("Empty. Import a file to fill it.")
    counted = ngettext("%(n)s row", "%(n)s rows", rows) % {
        "n": number_format(rows, force_grouping=True)
    }
    kinds = ngettext("%(n)d label", "%(n)d labels", labels) % {"n": labels}
    return _("%(rows)s, %(labels)s.") % {"rows": counted, "labels": kinds}


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


def mapping_context(upload: Upload, posted: Mapping[str, str]) -> dict[str, Any]:
    """Return what the mapping step shows: columns with their roles, and the first rows."""
    preview = upload.preview
    source = preview["source"]
    roles = {source["text"]: "text", source["label"]: "label"}
    columns = [
        {
            "index": index,
            "name": name,
            "role": posted.get(f"role_{index}", roles.get(name, "ignore")),
            **facts,
        }
        for index, (name, facts) in enumerate(
            zip(preview["columns"], preview["facts"], strict=True)
        )
    ]
    delimiter = source["delimiter"]
    return {
        "encoding": source["encoding"],
        "is_csv": source["format"] == "csv",
        "delimiter": "tab" if delimiter == "\t" else delimiter,
        "header": source["header"],
        "columns": columns,
        "preview": {"header": preview["columns"], "rows": preview["rows"]},
        "faults": preview["faults"],
    }
