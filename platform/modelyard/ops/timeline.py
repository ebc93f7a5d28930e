"""What became of a run, in order: its states, its troubles, what operators did."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from training.jobs.models import RunEvent
from training.jobs.views import STAFF

_TROUBLE = {"warning", "failed"}
_QUIET = {"progress", "eval", "baseline", "phase"}


@dataclass(frozen=True)
class Moment:
    """One line: the state (for its mark), or '' where it is none, and what was said."""

    at: dt.datetime
    attempt: int
    state: str
    said: str
    tone: str


def of(events: Iterable[RunEvent]) -> list[Moment]:
    """Return the turns of a run, oldest first; what it learned on the way is in its log."""
    return [_moment(event) for event in events if event.kind not in _QUIET]


def _moment(event: RunEvent) -> Moment:
    said: dict[str, Any] = event.payload
    if event.kind == STAFF:
        words = f"{said.get('who', '')}: {said.get('act', '')}. {said.get('reason', '')}"
        return Moment(event.created_at, event.attempt, "", words, "warn")
    if event.kind in _TROUBLE:
        words = " ".join(str(said[key]) for key in ("code", "message") if said.get(key))
        state = "failed" if event.kind == "failed" else ""
        return Moment(event.created_at, event.attempt, state, words, "err" if state else "warn")
    state = str(said.get("status", event.kind))
    return Moment(event.created_at, event.attempt, state, "", "")
