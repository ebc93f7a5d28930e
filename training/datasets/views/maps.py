"""What the page of a map shows."""

from __future__ import annotations

import uuid
from typing import Any

from django.utils.translation import gettext_lazy as later

from training.datasets import checking, mapped, reasons, selectors
from training.datasets.models import Example, Map
from training.datasets.views.frame import frame_context

SHOWN_LABELS = 8
"""Labels with a colour and a shape of their own; more can't be told apart."""
SHOWN_TEXT = 200
PHASES = {
    "reading": later("Reading rows"),
    "embedding": later("Reading what the texts are about"),
    "placing": later("Placing like near like"),
}


def map_context(dataset_id: uuid.UUID) -> dict[str, Any]:
    """Return the context of `datasets/map.html`."""
    frame = frame_context(dataset_id, "map")
    found = mapped.map_of(dataset_id)
    context = {**frame, "map": None, "work": _work(found)}
    if found is None or not found.points_key:
        return context
    labelled = found.points - found.unlabelled
    legend = found.labels[:SHOWN_LABELS]
    return {
        **context,
        "map": found,
        "stale": mapped.is_stale(found, checking.rows_mark(dataset_id)),
        "legend": legend,
        "others": labelled - sum(rows for _label, rows in legend),
        "labelled": labelled,
        "unlabelled_points": found.unlabelled,
        "differing": sum(area["differing"] for area in found.areas),
        "label_names": list(selectors.label_counts(dataset_id)),
        "areas": _areas(found),
    }


def work_context(dataset_id: uuid.UUID) -> dict[str, Any]:
    """Return the context of `datasets/_map_work.html`.

    Raises:
        NotFound: No such dataset.
    """
    dataset = selectors.dataset_get(dataset_id)
    return {"dataset": dataset, "work": _work(mapped.map_of(dataset_id))}


def _work(found: Map | None) -> dict[str, Any]:
    if found is None:
        return {"moving": False, "status": "", "problem": ""}
    percent = found.done * 100 // found.total if found.total else None
    return {
        "moving": found.status in {"waiting", "running"},
        "status": found.status,
        "phase": PHASES.get(found.phase, ""),
        "done": found.done,
        "total": found.total,
        # How far placing is nobody knows before its end.
        "percent": None if found.phase == "placing" else percent,
        "counted": found.phase in {"reading", "embedding"},
        "eta": mapped.seconds_left(found),
        "problem": reasons.file_sentence(found.error_code, found.error_data),
    }


def _areas(found: Map) -> list[dict[str, Any]]:
    """Return the areas with a text of each as it is now; a row that went shows none."""
    rows = Example.live.filter(dataset=found.dataset_id)
    typical = rows.in_bulk([uuid.UUID(area["typical"]) for area in found.areas])
    texts = {str(key): row.text[:SHOWN_TEXT] for key, row in typical.items()}
    return [
        {
            **area,
            "share": round(area["label_rows"] * 100 / area["rows"]),
            "text": texts.get(area["typical"], ""),
        }
        for area in found.areas
    ]
