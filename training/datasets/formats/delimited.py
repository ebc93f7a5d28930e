"""CSV and its relatives: RFC 4180 with any of the usual delimiters and line ends. Pure."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from training.datasets.formats.records import MAX_CELL, Cells, Fault, Line, Lines, shown

SINGLE_COLUMN = ""
_UNUSED = "\x1f"
csv.field_size_limit(MAX_CELL)


def csv_records(lines: Lines, delimiter: str) -> Iterator[Cells | Fault]:
    """Yield records and faults; after a fault, reading goes on at the next line."""
    while (first := lines.next()) is not None:
        if not first.whole:
            yield Fault(first.number, "", "line_too_long", shown(first.text))
        elif first.text.strip():
            yield _csv_record(first, lines, delimiter or _UNUSED)


def _csv_record(first: Line, lines: Lines, delimiter: str) -> Cells | Fault:
    """Parse the record that starts at `first`, taking further lines while a quote is open."""
    taken = [first]
    while True:
        try:
            texts = [one.text for one in taken]
            cells = next(csv.reader(texts, delimiter=delimiter, strict=True))
        except csv.Error as error:
            code = "cell_too_large" if "limit" in str(error) else "quote"
            still_open = "unexpected end" in str(error)
        else:
            return Cells(first.number, cells)
        if not still_open or not _take_until_quote(taken, lines):
            lines.give_back(taken[1:])
            detail = _open_cell(first, delimiter)
            return Fault(first.number, "", code, shown(first.text), detail)


def _take_until_quote(taken: list[Line], lines: Lines) -> bool:
    """Append lines up to one with a quote; False at the end of the file or of a cell's size."""
    size = sum(len(line.text) for line in taken)
    while size <= MAX_CELL and (following := lines.next()) is not None:
        taken.append(following)
        size += len(following.text)
        if not following.whole:
            return False
        if '"' in following.text:
            return True
    return False


def _open_cell(first: Line, delimiter: str) -> dict[str, object]:
    """Return the number (from 1) of the cell of the first line whose quote stays open."""
    try:
        next(csv.reader([first.text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end" in str(error):
            cells = next(csv.reader([first.text], delimiter=delimiter))
            return {"cell": len(cells)}
    return {}
