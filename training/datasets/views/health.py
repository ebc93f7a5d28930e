"""What the health pages show."""

from __future__ import annotations

import difflib
import re
import uuid
from typing import Any

from training.datasets import checking, reasons, selectors, services
from training.datasets.models import Check, Example
from training.datasets.services.changes import State, kind_get
from training.datasets.states import POINTING
from training.datasets.views.findings import TITLES, finding_of
from training.datasets.views.frame import frame_context

_SHOWN = 1_200
_SAMPLE = 5
_PART = re.compile(r"\s+|[A-Za-z0-9]+|.", re.DOTALL)
Piece = tuple[str, str]
"""What a piece of a text is ("same", "old" or "new"), and the piece."""


def health_context(dataset_id: uuid.UUID) -> dict[str, Any]:
    """Return the context of `datasets/health.html`."""
    frame = frame_context(dataset_id, "health")
    checks = {check.kind: check for check in checking.check_list(dataset_id)}
    mark = checking.rows_mark(dataset_id)
    cards = [_card(kind, checks.get(kind), mark) for kind in checking.kinds_of(frame["dataset"])]
    change = selectors.change_list(dataset_id).first()
    fixed = change if change and change.kind in _all_fixes() else None
    changing = change is not None and change.status in {"waiting", "running", "undoing"}
    return {
        **frame,
        "cards": cards,
        "busy": changing or any(card["busy"] for card in cards),
        "changing": changing,
        "stale": any(card["stale"] for card in cards),
        "never": not checks,
        "fixed": fixed,
        "fixed_title": kind_get(fixed.kind).title if fixed else "",
    }


def _all_fixes() -> set[str]:
    return {name for names in services.FIXES.values() for name in names}


def _card(kind: str, check: Check | None, mark: str) -> dict[str, Any]:
    card: dict[str, Any] = {
        "kind": kind, "title": TITLES[kind], "check": check, "stale": False, "busy": False,
        "finding": None, "fixes": [], "sample": [], "tone": "", "problem": "", "looks": False,
    }  # fmt: skip
    if check is None:
        return card
    card["busy"] = check.status in {"waiting", "running"}
    card["stale"] = checking.is_stale(check, mark)
    card["percent"] = min(100, check.done * 100 // max(1, check.total))
    card["problem"] = reasons.file_sentence(check.error_code, check.error_data)
    if check.status != Check.Status.DONE:
        return card
    card["finding"] = finding_of(kind, check.result, check.rows_seen)
    card["tone"] = "warn" if check.result["rows"] else "ok"
    if check.result["rows"]:
        card["looks"] = kind in POINTING
        card["fixes"] = [(name, kind_get(name).title) for name in services.FIXES.get(kind, ())]
        card["sample"] = _sample(check)
    return card


def _sample(check: Check) -> list[str]:
    """Return the texts of some rows it points at; groups together."""
    groups = check.flags.filter(group__isnull=False).order_by("group", "pk")
    flags = groups[:_SAMPLE] or check.flags.order_by("example_id")[:_SAMPLE]
    ids = [flag.example_id for flag in flags]
    rows = Example.objects.in_bulk(ids)
    return [rows[one].text[:200] for one in ids]


def fix_context(dataset_id: uuid.UUID, kind: str) -> dict[str, Any]:
    """Return the context of `datasets/health_fix.html`: at most 20 rows before and after.

    Raises:
        Invalid: `change_unknown`.
        Conflict: `check_not_done`, `check_stale`.
    """
    chosen = kind_get(kind if kind in _all_fixes() else "")
    rows = services.change_preview(dataset_id=dataset_id, kind=kind, params={})
    return {
        **frame_context(dataset_id, "health"),
        "kind": kind,
        "title": chosen.title,
        "count": chosen.select(dataset_id, {}).count(),
        "pairs": [_pair(row, edit) for row, edit in rows],
    }


def _pair(row: Example, edit: State) -> dict[str, Any]:
    """Return a row before and after, with what differs marked; long texts show a part."""
    text = row.text
    new = str(edit["data"]["text"]) if "data" in edit else text
    start = max(0, _first_difference(text, new) - _SHOWN // 3) if text != new else 0
    before, after = text[start : start + _SHOWN], new[start : start + _SHOWN]
    return {
        "line": row.line,
        "label": row.label,
        "removed": bool(edit.get("removed")),
        "tags": edit.get("tags"),
        "before": _pieces(before, after, "old"),
        "after": _pieces(before, after, "new"),
        "cut": start > 0 or max(len(text), len(new)) > start + _SHOWN,
    }


def _first_difference(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _pieces(before: str, after: str, side: str) -> list[Piece]:
    old, new = _PART.findall(before), _PART.findall(after)
    pieces: list[Piece] = []
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for what, start, end, begin, stop in matcher.get_opcodes():
        piece = "".join(old[start:end]) if side == "old" else "".join(new[begin:stop])
        if piece:
            pieces.append(("same" if what == "equal" else side, piece))
    return pieces
