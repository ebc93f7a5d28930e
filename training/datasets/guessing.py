"""Guesses about a table that the user confirms: delimiter, header, columns, kinds. Pure."""

from __future__ import annotations

import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from training.datasets.checks import MAX_LABEL
from training.datasets.formats.delimited import SINGLE_COLUMN, csv_records
from training.datasets.formats.records import Cells, Lines

_DELIMITERS = (",", "\t", ";", "|")
_AGREEMENT = 0.6
_TEXT_NAMES = (
    "text",
    "sentence",
    "review",
    "content",
    "message",
    "comment",
    "body",
    "prompt",
    "autotrain_text",
    "文本",
    "内容",
)
_LABEL_NAMES = (
    "label",
    "labels",
    "category",
    "class",
    "sentiment",
    "intent",
    "topic",
    "target",
    "completion",
    "autotrain_label",
    "标签",
    "类别",
)
_NUMBER = re.compile(r"[+-]?\d[\d_ ']*([.,]\d+)?([eE][+-]?\d+)?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}")
_TRUTH = frozenset({"true", "false", "yes", "no"})


def _lines(text: str) -> Lines:
    return Lines(io.StringIO(text, newline=""))


def kind_of(filled: Sequence[str]) -> str:
    """Return what the filled cells of a column are: empty, truth, number, date, nested or text."""
    if not filled:
        return "empty"
    tests = (
        ("truth", lambda cell: cell.lower() in _TRUTH),
        ("number", _NUMBER.fullmatch),
        ("date", _DATE.fullmatch),
        ("nested", lambda cell: cell[:1] in "[{" and len(cell) > 1),
    )
    cells = [cell.strip() for cell in filled]
    return next((kind for kind, test in tests if all(map(test, cells))), "text")


def _column(rows: Sequence[tuple[int, list[str]]], index: int) -> Iterator[str]:
    return (cells[index] for _line, cells in rows)


def delimiter_of(text: str, *, prefer_tab: bool) -> str:
    """Return the delimiter by which most records have the same number (> 1) of cells."""
    best, best_score = SINGLE_COLUMN, 0.0
    for delimiter in ("\t", *_DELIMITERS) if prefer_tab else _DELIMITERS:
        found = list(itertools.islice(csv_records(_lines(text), delimiter), 100))
        counts = Counter(len(one.cells) for one in found if isinstance(one, Cells))
        counts.pop(1, None)
        if not counts:
            continue
        cells, often = counts.most_common(1)[0]
        share = often / len(found)
        first = found[0]
        agrees = isinstance(first, Cells) and len(first.cells) == cells
        score = share + (0.2 if agrees else 0.0) + min(cells, 20) / 1000
        if (share >= _AGREEMENT or (agrees and share >= 0.4)) and score > best_score:
            best, best_score = delimiter, score
    return best


def has_header(table: Sequence[Cells]) -> bool:
    """Return whether the first record names the columns: yes, unless it looks like data."""
    first = [str(cell).strip() for cell in table[0].cells]
    if any(name.lower() in _TEXT_NAMES + _LABEL_NAMES for name in first):
        return True
    if len(set(first)) < len(first):
        return False
    if any(not name or len(name) > 60 or name.isnumeric() for name in first):
        return False
    body = [row.cells for row in table[1:] if len(row.cells) == len(first)]
    return not any(
        name in {str(cells[index]).strip() for cells in body} for index, name in enumerate(first)
    )


def guess_text(columns: Sequence[str], rows: Sequence[tuple[int, list[str]]]) -> str:
    """Return the column that has a text's name, else the one with the most letters."""
    for name in columns:
        if name.strip().lower() in _TEXT_NAMES:
            return name
    lengths = [
        (kind_of([*filter(None, _column(rows, i))]) != "nested", sum(map(len, _column(rows, i))))
        for i in range(len(columns))
    ]
    return columns[lengths.index(max(lengths))]


def guess_label(
    columns: Sequence[str], rows: Sequence[tuple[int, list[str]]], text: str
) -> str | None:
    """Return the column that has a label's name, else one of few different short values."""
    for name in columns:
        if name.strip().lower() in _LABEL_NAMES and name != text:
            return name
    few: list[tuple[bool, int, str]] = []
    for index, name in enumerate(columns):
        values = {cell.strip() for cell in _column(rows, index)} - {""}
        short = all(len(value) <= MAX_LABEL // 4 for value in values)
        if (
            name != text
            and short
            and kind_of([*values]) != "nested"
            and 2 <= len(values) <= max(2, len(rows) // 2)
        ):
            few.append((all(value.isnumeric() for value in values), len(values), name))
    return min(few)[2] if few else None
