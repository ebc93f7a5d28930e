"""Cells that a spreadsheet program would run as formulas: made safe on the way out, and back.

A cell that starts with one of `STARTS` gets an apostrophe before it (OWASP, "CSV injection"). A
file with such cells has one column more, `COLUMN`, which says for each row by number which cells
got one (its own name says it for the header), so that an import takes exactly these away again and
no apostrophe that was there before. A file without such cells has no such column.
"""

from __future__ import annotations

from collections.abc import Sequence

STARTS = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
COLUMN = "modelyard_guarded"


class Dangerous(Exception):
    """A cell must be made safe, and the file has no column to say so."""


def harmless(value: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{value}" if value.startswith(STARTS) else value


def _guarded(cells: Sequence[str]) -> str:
    return " ".join(str(at) for at, cell in enumerate(cells, start=1) if cell.startswith(STARTS))


def header(columns: Sequence[str], *, guarded: bool) -> list[str]:
    """Return the header of a table.

    Raises:
        Dangerous: A name is dangerous and `guarded` is False.
    """
    marks = _guarded(columns)
    if not guarded:
        return row(columns, guarded=False)
    return [*map(harmless, columns), f"{COLUMN} {marks}".strip()]


def row(cells: Sequence[str], *, guarded: bool) -> list[str]:
    """Return a row of a table, with what was made safe in it as the last cell.

    Raises:
        Dangerous: A cell is dangerous and `guarded` is False.
    """
    marks = _guarded(cells)
    if not guarded:
        if marks:
            raise Dangerous
        return [*cells]
    return [*map(harmless, cells), marks]


def is_guarded(names: Sequence[str]) -> bool:
    """Tell whether the header is that of a guarded table."""
    return bool(names) and names[-1].split(" ")[0] == COLUMN


def restored(cells: Sequence[str], marks: str) -> list[str]:
    """Return the cells as they were; `marks` is what the last column says."""
    named = {int(mark) for mark in marks.split() if mark.isdecimal() and len(mark) < 6}
    return [
        cell[1:] if at in named and cell.startswith("'") else cell
        for at, cell in enumerate(cells, start=1)
    ]
