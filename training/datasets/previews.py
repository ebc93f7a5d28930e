"""What the mapping page shows of a file that was looked at. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from training.datasets import checks
from training.datasets.formats.records import Entry, Fault, FileRefused, Source, shown
from training.datasets.guessing import guess_label, guess_text, kind_of

PREVIEW_ROWS = 20
SHOWN_FAULTS = 20
SHOWN_FIELDS = 20


@dataclass(frozen=True)
class Wish:
    """What the user set by hand; None is "find out"."""

    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    format: str | None = None
    member: str | None = None
    text: str | None = None
    label: str | None = None
    keep: list[str] | None = None


@dataclass
class Look:
    """What was found: how to read the file, its entries, and what may be chosen instead."""

    source: Source
    found: list[Entry | Fault] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)


def report(look: Look, wish: Wish) -> dict[str, Any]:
    """Return what `sniff.inspect` promises.

    Raises:
        FileRefused: `no_rows`, `no_good_rows`, `too_many_columns`.
    """
    entries = [one for one in look.found if isinstance(one, Entry)]
    if not entries:
        fault = next((one for one in look.found if isinstance(one, Fault)), None)
        raise FileRefused("no_rows" if fault is None else "no_good_rows", **_about(fault))
    columns = list(dict.fromkeys(name for entry in entries for name in entry.values))
    if len(columns) > 2_000:
        raise FileRefused("too_many_columns", found=len(columns), most=2_000)
    rows = [(one.line, [_as_cell(one.values.get(name)) for name in columns]) for one in entries]
    source = _with_columns(look.source, columns, rows, wish)
    taken = list(checks.rows(look.found, source))
    stored = [one for one in taken if isinstance(one, checks.Row)]
    refused = [one for one in taken if isinstance(one, Fault)]
    width = 200 if len(columns) <= 50 else 20
    return {
        "source": asdict(source),
        "columns": columns,
        "facts": [_facts([*_column(rows, index)]) for index in range(len(columns))],
        "rows": [
            {"line": line, "cells": [shown(cell)[:width] for cell in cells]}
            for line, cells in rows[:PREVIEW_ROWS]
        ],
        "stored": [_stored(one) for one in stored[:PREVIEW_ROWS]],
        "faults": len(refused),
        "refused_rows": [
            [one.line, one.column, one.code, one.value, dict(one.detail)]
            for one in refused[:SHOWN_FAULTS]
        ],
        "looked_at": len(taken),
        "members": look.members,
        "formats": look.formats,
    }


def _about(fault: Fault | None) -> dict[str, object]:
    return {"line": fault.line, "row_code": fault.code, **fault.detail} if fault else {}


def _stored(row: checks.Row) -> dict[str, Any]:
    fields = row.fields or {}
    return {
        "line": row.line,
        "text": shown(row.text),
        "label": row.label,
        "fields": {
            name: shown(_as_cell(value)) for name, value in [*fields.items()][:SHOWN_FIELDS]
        },
    }


def _with_columns(
    source: Source, columns: list[str], rows: Sequence[tuple[int, list[str]]], wish: Wish
) -> Source:
    """Choose the columns: as the user said, else by guess."""
    text = wish.text if wish.text in columns else guess_text(columns, rows)
    given = wish.label is not None and (wish.label in columns or not wish.label)
    label = (wish.label or None) if given else guess_label(columns, rows, text or "")
    kept = [one for one in wish.keep or [] if one in columns]
    # Names of another reading of the file are no choice about this one's columns.
    keep = None if wish.keep is None or (wish.keep and not kept) else kept
    return replace(source, text=text or "", label=label if label != text else None, keep=keep)


def _as_cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else shown(value)


def _facts(cells: Sequence[str]) -> dict[str, Any]:
    """Return the share of filled cells (0 to 1), how many differ, the first, the kind."""
    filled = [cell for cell in cells if cell.strip()]
    return {
        "filled": round(len(filled) / max(1, len(cells)), 3),
        "distinct": len(set(filled)),
        "example": shown(filled[0])[:80] if filled else "",
        "kind": kind_of(filled),
    }


def _column(rows: Iterable[tuple[int, list[str]]], index: int) -> Iterator[str]:
    return (cells[index] for _line, cells in rows)
