"""What the pages of versions show."""

from __future__ import annotations

import uuid
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from modelyard.core.parts import shortened
from training.datasets import lineage, offers, reasons, selectors
from training.datasets.augment.words import words_text
from training.datasets.models import Comparison, ComparisonRow, DatasetVersion
from training.datasets.states import SPLITS
from training.datasets.views.frame import frame_context, version_facts

SHOWN = 50
PAGE_ROWS = 50
OPERATIONS = (
    ("dictionary", lazy("Words of my list")),
    ("insert", lazy("Insert words of my list")),
    ("swap", lazy("Swap words")),
    ("delete", lazy("Drop words")),
    ("typos", lazy("Typing errors")),
    ("ocr", lazy("Scanning errors")),
    ("templates", lazy("Templates")),
)
GROUPINGS = {
    "near": lazy("Near duplicates"),
    "exact": lazy("Equal texts"),
    "field": lazy("Equal values of a column"),
}
KINDS = {
    "added": lazy("Added"),
    "removed": lazy("Removed"),
    "relabelled": lazy("Relabelled"),
    "reworded": lazy("Text changed"),
}


def versions_context(dataset_id: uuid.UUID) -> dict[str, Any]:
    """Return the context of `datasets/versions.html`."""
    versions = list(selectors.version_list(dataset_id).defer("augmentation")[:SHOWN])
    words = selectors.words_get(dataset_id)
    frame = frame_context(dataset_id, "versions")
    images = frame["dataset"].holds_images
    return {
        **frame,
        "versions": [{**version_facts(one), **_progress(one)} for one in versions],
        "groupings": [("exact", _("Equal images"))] if images else GROUPINGS.items(),
        "operations": () if images else OPERATIONS,
        "offer": offers.augmentation_offer(dataset_id),
        "words": words_text(words),
        "word_count": len(words),
    }


def _progress(version: DatasetVersion) -> dict[str, Any]:
    percent, eta = selectors.version_progress(version)
    sentence = reasons.version_sentence(version.error_code, version.error_data)
    return {"percent": percent, "eta": eta, "problem": sentence}


def version_context(version_id: uuid.UUID) -> dict[str, Any]:
    """Return the context of `datasets/version.html`."""
    one = selectors.version_row(version_id)
    origins = lineage.version_origins(one)
    others = selectors.version_list(one.dataset_id).filter(status="frozen").exclude(pk=one.pk)
    labels = list(one.label_counts.items())
    splits = [(name, int(one.split_counts.get(name, 0))) for name in SPLITS]
    per_split = [
        (label, rows, [one.split_labels.get(name, {}).get(label) for name in SPLITS])
        for label, rows in labels
    ]
    return {
        **frame_context(one.dataset_id, "versions"),
        "one": one,
        "progress": _progress(one),
        "grouping": _("Equal images")
        if one.dataset.holds_images
        else GROUPINGS[one.grouping.get("by", "exact")],
        "made": [title for name, title in OPERATIONS if name in _operations(one)],
        "splits": splits,
        "label_bars": shortened(sorted(labels, key=lambda pair: -pair[1]), _("Others")),
        "per_split": per_split,
        "origins": origins,
        # What is being measured makes nothing; the page has a section of its own for it.
        "uses": [use for use in lineage.version_uses(one.pk) if use.kind != "gain"],
        "others": [version_facts(other) for other in others[:SHOWN]],
        "freezing": one.status in {"freezing", "deleting"},
    }


def _operations(version: DatasetVersion) -> list[str]:
    return list(version.augmentation.get("operations", []))


def comparison_context(comparison_id: uuid.UUID, kind: str, after: str) -> dict[str, Any]:
    """Return the context of `datasets/comparison.html`; `after` is the last number shown."""
    one = selectors.comparison_get(comparison_id)
    there = [name for name in KINDS if one.counts.get(name)]
    kind = kind if kind in KINDS else next(iter(there), "added")
    rows = ComparisonRow.objects.filter(comparison=one, kind=kind).order_by("seq")
    if after.isdecimal() and len(after) < 9:
        rows = rows.filter(seq__gt=int(after))
    page = list(rows[: PAGE_ROWS + 1])
    shown = page[:PAGE_ROWS]
    return {
        **frame_context(one.dataset_id, "versions"),
        "one": one,
        "after_name": f"v{one.after.number}" if one.after else _("the rows of today"),
        "bars": [(str(title), int(one.counts.get(name, 0))) for name, title in KINDS.items()],
        "kinds": [(name, title, one.counts.get(name, 0)) for name, title in KINDS.items()],
        "kind": kind,
        "rows": shown,
        "next": shown[-1].seq if len(page) > PAGE_ROWS else None,
        "cut": one.counts.get(kind, 0) > _listed(one, kind),
        "freezing": one.status in {"waiting", "running"},
        "percent": one.done * 100 // one.total if one.total else 0,
    }


def _listed(one: Comparison, kind: str) -> int:
    rows = ComparisonRow.objects.filter(comparison=one, kind=kind).order_by("-seq")
    last = rows.values_list("seq", flat=True).first()
    return 0 if last is None else int(last) + 1
