"""A first look at a file: format, encoding, delimiter, header, columns, first rows. Pure."""

from __future__ import annotations

import io
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from training.datasets import checks, encodings
from training.datasets.readers import (
    SINGLE_COLUMN,
    Cells,
    Entry,
    Fault,
    FileRefused,
    Lines,
    Source,
    column_names,
    csv_records,
    records,
    shown,
)

SAMPLE_BYTES = 1024**2
PREVIEW_ROWS = 20
_LOOKED_AT = 200
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
    "标签",
    "类别",
)
_MAGIC = (
    (b"PK\x03\x04", "zip_file"),
    (b"\x1f\x8b", "gzip_file"),
    (b"PAR1", "parquet_file"),
    (b"%PDF", "pdf_file"),
    (b"\xd0\xcf\x11\xe0", "excel_file"),
)


@dataclass(frozen=True)
class Wish:
    """What the user set by hand; None is "find out"."""

    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None


def inspect(sample: bytes, filename: str, wish: Wish, *, cut: bool) -> dict[str, Any]:
    """Return what the mapping page shows.

    Args:
        sample: The first `SAMPLE_BYTES` of the file.
        filename: Its name; only its ending is looked at.
        wish: What the user set.
        cut: Whether the file is longer than the sample.

    Returns:
        `source` (a `Source` as a dict with guessed columns), `columns`, `facts` (of each
        column), `rows` (up to 20: line and the values of the columns), `faults` (how many).

    Raises:
        FileRefused: The file is of no use; with the sentence's code.
    """
    _refuse_other_formats(sample, filename)
    encoding = wish.encoding or encodings.guess(sample)
    text = _decoded(sample, encoding)
    source = Source(format=_format(text), encoding=encoding)
    if cut and source.format != "json":
        text = _whole_lines(text)
    if source.format != "csv":
        return _report(source, *_json_table(text, source, cut=cut))
    delimiter = wish.delimiter
    if delimiter is None:
        delimiter = _delimiter(text, prefer_tab=filename.lower().endswith((".tsv", ".tab")))
    found = list(itertools.islice(csv_records(_lines(text), delimiter), _LOOKED_AT))
    table = [record for record in found if isinstance(record, Cells)]
    if not table:
        raise FileRefused("no_rows")
    header = _has_header(table) if wish.header is None else wish.header
    columns = column_names(table[0].cells, header=header)
    body = table[1:] if header else table
    if not body:
        raise FileRefused("header_only", columns=", ".join(columns[:20]))
    source = replace(source, delimiter=delimiter, header=header)
    lines = [(line, [*cells]) for line, cells in body if len(cells) == len(columns)]
    return _report(source, columns, lines, _fault_count(found, columns))


def _refuse_other_formats(sample: bytes, filename: str) -> None:
    if not sample:
        raise FileRefused("empty_file")
    for magic, code in _MAGIC:
        if sample.startswith(magic):
            is_sheet = code == "zip_file" and filename.lower().endswith((".xlsx", ".xlsm", ".ods"))
            raise FileRefused("excel_file" if is_sheet else code)


def _decoded(sample: bytes, encoding: str) -> str:
    codec = encodings.CODECS[encoding]
    try:
        text = sample.decode(codec, errors="modelyard.mark")
    except UnicodeError as error:
        raise FileRefused("encoding_wrong", encoding=encoding) from error
    if not text.strip():
        raise FileRefused("empty_file")
    odd = sum(text.count(character) for character in ("\x00", "\x01", "\x02", "\x03", "\x08"))
    if odd > max(8, len(text) // 100) or text.count(encodings.BAD) > max(32, len(text) // 5):
        raise FileRefused("binary_file", encoding=encoding)
    return text


def _whole_lines(text: str) -> str:
    """Drop the line that the sample's end cut."""
    end = max(text.rfind("\n"), text.rfind("\r"))
    if end < 0:
        raise FileRefused("first_line_long")
    return text[: end + 1]


def _lines(text: str) -> Lines:
    return Lines(io.StringIO(text, newline=""))


def _format(text: str) -> str:
    start = text.lstrip("\ufeff \t\r\n")
    if start.startswith("[") and start[1:].lstrip()[:1] in {"{", "]", ""}:
        return "json"
    if not start.startswith("{"):
        return "csv"
    lines = records(io.StringIO(text, newline=""), Source("jsonl", "utf-8"))
    some = list(itertools.islice(lines, 20))
    if 2 * sum(isinstance(one, Fault) for one in some) > len(some):
        raise FileRefused("json_not_list")
    return "jsonl"


def _json_table(
    text: str, source: Source, *, cut: bool
) -> tuple[list[str], list[tuple[int, list[str]]], int]:
    newline = None if source.format == "json" else ""
    found: list[Entry | Fault] = []
    try:
        looked_at = itertools.islice(
            records(io.StringIO(text, newline=newline), source), _LOOKED_AT
        )
        found.extend(record for record in looked_at if not isinstance(record, Cells))
    except FileRefused as refusal:
        # A sample ends in the middle of a list; what came before it is what we look at.
        if not (cut and refusal.code == "json_broken" and found):
            raise
    entries = [record for record in found if isinstance(record, Entry)]
    if not entries:
        raise FileRefused("no_rows")
    columns = list(dict.fromkeys(name for entry in entries for name in entry.values))
    if len(columns) > 2_000:
        raise FileRefused("too_many_columns", found=len(columns), most=2_000)
    rows = [
        (entry.line, [_as_cell(entry.values.get(name)) for name in columns]) for entry in entries
    ]
    return columns, rows, len(found) - len(entries)


def _as_cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else shown(value)


def _delimiter(text: str, *, prefer_tab: bool) -> str:
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


def _has_header(table: Sequence[Cells]) -> bool:
    """Return whether the first record names the columns: yes, unless it looks like data."""
    first = [cell.strip() for cell in table[0].cells]
    if any(name.lower() in _TEXT_NAMES + _LABEL_NAMES for name in first):
        return True
    if len(set(first)) < len(first):
        return False
    if any(not name or len(name) > 60 or name.isnumeric() for name in first):
        return False
    body = [row.cells for row in table[1:] if len(row.cells) == len(first)]
    return not any(
        name in {cells[index].strip() for cells in body} for index, name in enumerate(first)
    )


def _fault_count(found: Sequence[Cells | Fault], columns: Sequence[str]) -> int:
    return sum(1 for one in found if isinstance(one, Fault) or len(one.cells) != len(columns))


def _report(
    source: Source, columns: list[str], rows: list[tuple[int, list[str]]], faults: int
) -> dict[str, Any]:
    text = _guess_text(columns, rows)
    label = _guess_label(columns, rows, text)
    width = 200 if len(columns) <= 50 else 20
    return {
        "source": asdict(replace(source, text=text, label=label)),
        "columns": columns,
        "facts": [_facts([*_column(rows, index)]) for index in range(len(columns))],
        "rows": [
            {"line": line, "cells": [shown(cell)[:width] for cell in cells]}
            for line, cells in rows[:PREVIEW_ROWS]
        ],
        "faults": faults,
    }


def _facts(cells: Sequence[str]) -> dict[str, Any]:
    """Return the share of filled cells (0 to 1), how many differ, and the first filled one."""
    filled = [cell for cell in cells if cell.strip()]
    return {
        "filled": round(len(filled) / max(1, len(cells)), 3),
        "distinct": len(set(filled)),
        "example": shown(filled[0])[:80] if filled else "",
    }


def _column(rows: Sequence[tuple[int, list[str]]], index: int) -> Iterator[str]:
    return (cells[index] for _line, cells in rows)


def _guess_text(columns: Sequence[str], rows: Sequence[tuple[int, list[str]]]) -> str:
    for name in columns:
        if name.strip().lower() in _TEXT_NAMES:
            return name
    lengths = [sum(len(cell) for cell in _column(rows, i)) for i in range(len(columns))]
    return columns[lengths.index(max(lengths))]


def _guess_label(
    columns: Sequence[str], rows: Sequence[tuple[int, list[str]]], text: str
) -> str | None:
    for name in columns:
        if name.strip().lower() in _LABEL_NAMES and name != text:
            return name
    few: list[tuple[bool, int, str]] = []
    for index, name in enumerate(columns):
        values = {cell.strip() for cell in _column(rows, index)} - {""}
        short = all(len(value) <= checks.MAX_LABEL // 4 for value in values)
        if name != text and short and 2 <= len(values) <= max(2, len(rows) // 2):
            few.append((all(value.isnumeric() for value in values), len(values), name))
    return min(few)[2] if few else None
