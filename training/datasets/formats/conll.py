"""CoNLL: a token a line with its tags in columns, a blank line after each sentence. Pure.

The text of a row is its tokens joined by blanks; `tokens` and `tags` (the last column) keep what
was there, `columns` the columns between. A line `-DOCSTART-` is kept with the sentence below it.
Source: Tjong Kim Sang and De Meulder, 2003 (CoNLL-2003 shared task).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TextIO

from training.datasets.formats.records import Entry, Fault, Line, Lines, shown

MAX_TOKENS = 20_000
_TAG = re.compile(r"O|[BIESLU][-_]\S+")
_START = "-DOCSTART-"


def _cells(line: str) -> list[str]:
    line = line.rstrip("\r\n")
    return line.split("\t") if "\t" in line else line.split()


def looks_like(text: str) -> bool:
    """Tell whether nearly all lines are tokens with a tag behind them."""
    lines = [_cells(line) for line in text.splitlines()[:500] if line.strip()]
    lines = [cells for cells in lines if cells[0] != _START]
    tagged = sum(len(cells) > 1 and bool(_TAG.fullmatch(cells[-1])) for cells in lines)
    return len(lines) > 1 and tagged > 0.95 * len(lines)


def conll_records(lines: Lines) -> Iterator[Entry | Fault]:
    """Yield sentences; one with a line of another width, or too long a one, is a fault."""
    taken: list[Line] = []
    start = ""
    while True:
        line = lines.next()
        if line is not None and line.text.strip() and not line.text.startswith(_START):
            if len(taken) <= MAX_TOKENS:
                taken.append(line)
            continue
        if taken:
            yield _sentence(taken, start)
            taken, start = [], ""
        if line is None:
            return
        if line.text.startswith(_START):
            start = line.text.rstrip("\r\n")


def _sentence(taken: list[Line], start: str) -> Entry | Fault:
    table = [_cells(line.text) for line in taken]
    first = taken[0]
    if len(taken) > MAX_TOKENS or not all(line.whole for line in taken):
        return Fault(first.number, "", "sentence_too_long", shown(first.text), {"most": MAX_TOKENS})
    width = len(table[0])
    for line, cells in zip(taken, table, strict=True):
        if len(cells) != width or width < 2:
            detail = {"found": len(cells), "expected": max(2, width)}
            return Fault(line.number, "tags", "token_columns", shown(line.text), detail)
    tokens = [cells[0] for cells in table]
    values: dict[str, object] = {
        "text": " ".join(tokens),
        "tokens": tokens,
        "tags": [cells[-1] for cells in table],
    }
    if width > 2:
        values["columns"] = [cells[1:-1] for cells in table]
    if start:
        values["document"] = start
    return Entry(first.number, values)


def write(rows: Iterable[tuple[str, str | None, Mapping[str, Any]]], out: TextIO) -> int:
    """Write rows; return how many. Rows without tags get the tag O for each word."""
    count = 0
    for text, _label, fields in rows:
        tokens, tags = _tagged(text, fields)
        between = fields.get("columns") or [[] for _token in tokens]
        gap = "\t" if any(" " in token for token in tokens) else " "
        if fields.get("document"):
            out.write(f"{fields['document']}\n\n")
        for token, more, tag in zip(tokens, between, tags, strict=True):
            out.write(gap.join([token, *more, tag]) + "\n")
        out.write("\n")
        count += 1
    return count


def _tagged(text: str, fields: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    tokens, tags = fields.get("tokens"), fields.get("tags")
    if isinstance(tokens, list) and isinstance(tags, list) and " ".join(tokens) == text:
        return tokens, tags
    words = [(found.group(), *found.span()) for found in re.finditer(r"\S+", text)]
    spans = sorted(fields.get("spans") or [])
    return [word for word, _start, _end in words], [_tag(one, spans) for one in words]


def _tag(word: tuple[str, int, int], spans: list[list[Any]]) -> str:
    """Return the BIO tag of a word: that of the span it lies in."""
    _text, start, end = word
    for begin, stop, label in spans:
        if start < stop and end > begin:
            return f"{'B' if start <= begin else 'I'}-{label}"
    return "O"
