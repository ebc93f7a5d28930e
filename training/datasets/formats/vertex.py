"""Vertex AI text classification CSV: `[ML_USE,]text,label`, without a header. Pure.

Source: Google Cloud, Vertex AI, "Prepare text training data for classification".
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from training.datasets.formats.records import Cells, Entry, Fault, shown

USES = {
    "train": "TRAINING",
    "validation": "VALIDATION",
    "test": "TEST",
}
_KNOWN = frozenset({*USES.values(), "TRAIN", "VALIDATE", "UNASSIGNED", ""})


def recognises(table: Sequence[Cells]) -> bool:
    """Tell whether the first column of all rows says what the row is for."""
    named = sum(str(row.cells[0]).strip().upper() in _KNOWN - {""} for row in table)
    fits = all(str(row.cells[0]).strip().upper() in _KNOWN for row in table)
    return fits and named > 0 and all(len(row.cells) >= 2 for row in table)


def columns(width: int) -> list[str]:
    """Return the names of the columns of a row of this width."""
    names = ["ml_use", "text", "label", *(f"label {n}" for n in range(2, width - 1))]
    return names[:width]


def flatten(entry: Entry) -> Entry | Fault:
    """Refuse what is more than one text with one label."""
    text = entry.values.get("text")
    if isinstance(text, str) and text.startswith("gs://"):
        return Fault(entry.line, "text", "points_elsewhere", shown(text))
    labels = [value for name, value in entry.values.items() if name.startswith("label") and value]
    if len(labels) > 1:
        return Fault(entry.line, "label", "several_labels", shown(labels), {"found": len(labels)})
    more = [name for name in entry.values if name.startswith("label ")]
    values = {name: value for name, value in entry.values.items() if name not in more}
    if labels:
        values["label"] = labels[0]
    return Entry(entry.line, values)


def write(rows: Iterable[tuple[str, str | None, Mapping[str, Any]]], out: TextIO) -> int:
    """Write rows; return how many. A frozen version's split decides what a row is for."""
    writer = csv.writer(out)
    count = 0
    for text, label, fields in rows:
        use = USES.get(str(fields.get("split")), str(fields.get("ml_use") or "UNASSIGNED"))
        writer.writerow([use, text, label or ""])
        count += 1
    return count
