"""doccano's JSON Lines: `label` (older: `labels`) is a list of labels, or of spans. Pure.

Spans are `[start, end, label]` in code points. Source: doccano, "Export dataset".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from training.datasets.formats.records import Entry, Fault, shown


def _given(values: Mapping[str, object]) -> object:
    return values["label"] if "label" in values else values.get("labels")


def recognises(entries: Sequence[Entry]) -> bool:
    """Tell whether each has a text and a list of labels or of spans."""
    return bool(entries) and all(
        "text" in entry.values and isinstance(_given(entry.values), list) for entry in entries
    )


def flatten(entry: Entry) -> Entry | Fault:
    """Return one label, or spans, as columns."""
    given = _given(entry.values)
    column = "label" if "label" in entry.values else "labels"
    values = {k: value for k, value in entry.values.items() if k not in {"label", "labels"}}
    if not isinstance(given, list):
        return Fault(entry.line, column, "labels_not_list", shown(given))
    if not given:
        return Entry(entry.line, {**values, "label": None})
    if all(isinstance(one, list) for one in given):
        return Entry(entry.line, {**values, "label": None, "spans": given})
    if len(given) > 1:
        return Fault(entry.line, column, "several_labels", shown(given), {"found": len(given)})
    return Entry(entry.line, {**values, "label": given[0]})


def write(rows: Iterable[tuple[str, str | None, Mapping[str, Any]]], out: TextIO) -> int:
    """Write rows; return how many."""
    count = 0
    for text, label, fields in rows:
        given = fields.get("spans") or ([] if label is None else [label])
        more = {name: value for name, value in fields.items() if name != "spans"}
        out.write(json.dumps({**more, "text": text, "label": given}, ensure_ascii=False) + "\n")
        count += 1
    return count
