"""From entries to rows: each is taken as it is, or refused with line, column and reason. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from training.datasets import encodings
from training.datasets.formats.records import Entry, Fault, Source, in_member, shown

MAX_TEXT = 100_000
MAX_LABEL = 200
MAX_FIELDS = 1024**2
MAX_DEPTH = 32
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


class Row(NamedTuple):
    """A row to store: the text exactly, the label without outer blanks, what else there was."""

    line: int
    text: str
    label: str | None
    fields: dict[str, Any] | None = None


class _Unfit(Exception):
    """A value that can't be kept; the code of the reason."""

    def __init__(self, code: str, **detail: object) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


def rows(found: Iterable[Entry | Fault], source: Source) -> Iterator[Row | Fault]:
    """Yield a `Row` or a `Fault` for every entry."""
    keep = None if source.keep is None else frozenset(source.keep)
    sparse = source.format in {"csv", "xlsx", "autotrain", "vertex"}
    for one in found:
        if isinstance(one, Fault):
            yield one
            continue
        row = _checked(one, source, keep, sparse=sparse)
        yield in_member(row, one.member) if one.member and isinstance(row, Fault) else row


def _checked(
    entry: Entry, source: Source, keep: frozenset[str] | None, *, sparse: bool
) -> Row | Fault:
    line, values = entry.line, entry.values
    text = values.get(source.text)
    if source.format == "xlsx" and isinstance(text, int | float):
        text = _as_text(text)
    if text is not None and not isinstance(text, str):
        return Fault(line, source.text, "wrong_type", shown(text))
    label = _as_text(values.get(source.label) if source.label else None)
    if label is not None and not isinstance(label, str):
        return Fault(line, source.label or "", "wrong_type", shown(label))
    row = _row(line, text or "", label, source)
    if isinstance(row, Fault):
        return row
    roles = (source.text, source.label)
    fields = {
        name: value
        for name, value in values.items()
        if name not in roles and (keep is None or name in keep) and not (sparse and value == "")
    }
    return _with_fields(row, fields) if fields else row


def _as_text(value: object) -> object:
    """Return a number or a truth value as text; a text as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


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
    return Fault(line, column, _unstorable_code(match.group()), shown(value))


def _unstorable_code(character: str) -> str:
    return {encodings.BAD: "undecodable", "\x00": "nul"}.get(character, "half_character")


def _with_fields(row: Row, fields: dict[str, Any]) -> Row | Fault:
    size = 0
    for name, value in fields.items():
        try:
            size = _grown(size, measured(name) + measured(value, 1))
            if name == "spans":
                _check_spans(value, row.text)
        except _Unfit as unfit:
            return Fault(row.line, shown(name), unfit.code, shown(value), unfit.detail)
    return Row(row.line, row.text, row.label, fields)


def _grown(size: int, more: int) -> int:
    if size + more > MAX_FIELDS:
        raise _Unfit("fields_too_large", most=MAX_FIELDS // 1024)
    return size + more


def measured(value: object, depth: int = 0) -> int:
    """Return about how many characters a value has; raise `_Unfit` for what JSON can't keep."""
    if isinstance(value, str):
        if match := _UNSTORABLE.search(value):
            raise _Unfit(_unstorable_code(match.group()))
        return len(value)
    if isinstance(value, dict | list):
        if depth >= MAX_DEPTH:
            raise _Unfit("too_deep", most=MAX_DEPTH)
        parts: Iterable[object] = value
        if isinstance(value, dict):
            parts = [*value.keys(), *value.values()]
        return sum(measured(part, depth + 1) for part in parts) + len(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise _Unfit("not_finite")
    if isinstance(value, int) and value.bit_length() > 1024:
        raise _Unfit("not_finite")
    return 8


def _check_spans(spans: object, text: str) -> None:
    """Refuse spans that don't lie in the text; a column that is no list is a field like others."""
    if not isinstance(spans, list):
        return
    for span in spans:
        fits = (
            isinstance(span, list)
            and len(span) == 3
            and all(isinstance(at, int) and not isinstance(at, bool) for at in span[:2])
            and isinstance(span[2], str)
            and 0 <= span[0] < span[1] <= len(text)
        )
        if not fits:
            raise _Unfit("span_wrong", found=shown(span), most=len(text))
