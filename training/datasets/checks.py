"""From records to rows: each is taken as it is, or refused with line, column and reason. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from training.datasets import encodings
from training.datasets.readers import Cells, Entry, Fault, FileRefused, Source, column_names, shown

MAX_TEXT = 100_000
MAX_LABEL = 200
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


class Row(NamedTuple):
    """A row to store: the text exactly, the label without outer blanks, what else there was."""

    line: int
    text: str
    label: str | None
    fields: dict[str, Any] | None = None


def rows(found: Iterable[Cells | Entry | Fault], source: Source) -> Iterator[Row | Fault]:
    """Yield a `Row` or a `Fault` for every record below the header.

    Raises:
        FileRefused: `column_missing` when the file hasn't the columns that were chosen.
    """
    columns: list[str] = []
    for record in found:
        if isinstance(record, Fault):
            yield _named(record, columns)
        elif isinstance(record, Entry):
            yield check_entry(record, source)
        elif not columns:
            columns = column_names(record.cells, header=source.header)
            _require(columns, source)
            if not source.header:
                yield check_cells(record, columns, source)
        else:
            yield check_cells(record, columns, source)


def _require(columns: list[str], source: Source) -> None:
    for name in (source.text, source.label):
        if name is not None and name not in columns:
            raise FileRefused("column_missing", column=name, columns=", ".join(columns[:20]))


def _named(fault: Fault, columns: list[str]) -> Fault:
    """Put the column's name where a reader could only count cells."""
    cell = fault.detail.get("cell")
    if isinstance(cell, int) and cell <= len(columns):
        return Fault(fault.line, columns[cell - 1], fault.code, fault.value)
    return fault


def check_cells(record: Cells, columns: list[str], source: Source) -> Row | Fault:
    """Check a CSV record."""
    line, cells = record
    if len(cells) != len(columns):
        detail = {"found": len(cells), "expected": len(columns)}
        return Fault(line, "", "field_count", shown(" | ".join(cells)), detail)
    text = cells[columns.index(source.text)]
    label = cells[columns.index(source.label)] if source.label else None
    return _row(line, text, label, source)


def check_entry(record: Entry, source: Source) -> Row | Fault:
    """Check a JSON object: the text is a string; a label may also be a number or a boolean."""
    line, values = record
    text = values.get(source.text)
    if text is not None and not isinstance(text, str):
        return Fault(line, source.text, "wrong_type", shown(text))
    label = values.get(source.label) if source.label else None
    if isinstance(label, bool):
        label = "true" if label else "false"
    elif isinstance(label, int | float):
        label = str(label)
    elif label is not None and not isinstance(label, str):
        return Fault(line, source.label or "", "wrong_type", shown(label))
    return _row(line, text or "", label, source)


def _row(line: int, text: str, label: str | None, source: Source) -> Row | Fault:
    label = (label or "").strip()
    fault = _unstorable(line, source.text, text) or _unstorable(line, source.label or "", label)
    if fault:
        return fault
    if not text.strip():
        return Fault(line, source.text, "missing_text", shown(text))
    if len(text) > MAX_TEXT:
        detail = {"found": len(text), "most": MAX_TEXT}
        return Fault(line, source.text, "too_long", shown(text), detail)
    if len(label) > MAX_LABEL:
        detail = {"found": len(label), "most": MAX_LABEL}
        return Fault(line, source.label or "", "label_too_long", shown(label), detail)
    return Row(line, text, label or None)


def _unstorable(line: int, column: str, value: str) -> Fault | None:
    match = _UNSTORABLE.search(value)
    if match is None:
        return None
    codes = {encodings.BAD: "undecodable", "\x00": "nul"}
    return Fault(line, column, codes.get(match.group(), "half_character"), shown(value))
