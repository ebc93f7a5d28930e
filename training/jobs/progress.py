"""What the engine says, turned into rows: which lines are kept, how far the run is, what is left.

Percent is over the whole run, not over the steps: each phase has its span, so that the bar
never stands still at 100 while the model is being stored, and never goes back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from types import MappingProxyType

from training.engine import events as engine
from training.jobs.models import Run
from training.jobs.states import RunStatus
from training.jobs.types import Item

SPANS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "": (0, 0),
        "loading": (0, 3),
        "tokenizing": (3, 5),
        "baseline": (5, 10),
        "training": (10, 92),
        "evaluating": (92, 97),
        "saving": (97, 99),
        "uploading": (99, 100),
    }
)
"""Percent of the whole at which a phase begins and ends."""

CLOSE_SECONDS = 1.0
FAR_SECONDS = 5.0
FIRST_MINUTES = 600.0
TAIL_SHARE = 0.08
TAIL_LEAST = 3.0


def percent(phase: str, step: int, steps: int) -> int:
    """Return how far a run is, 0 to 100."""
    low, high = SPANS.get(phase, (0, 0))
    if phase != "training" or not steps:
        return low
    return low + (high - low) * min(step, steps) // steps


class Listener:
    """Turns event lines into what is written: events, and fields of the run.

    Args:
        expected_seconds: The estimate that holds until the engine has its own.
        now: A clock that only goes forward.
    """

    def __init__(
        self, *, expected_seconds: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.done: engine.Done | None = None
        self.failed: engine.Failed | None = None
        self._expected = expected_seconds
        self._now = now
        self._started = now()
        self._kept = float("-inf")
        self._tail = TAIL_LEAST
        self._phases: list[str] = []

    def hear(self, event: engine.Event) -> tuple[list[Item], dict[str, object]]:
        """Return events to write (maybe none) and fields to set."""
        if isinstance(event, engine.Progress):
            return self._progress(event)
        if isinstance(event, engine.Phase):
            return self._phase(event)
        if isinstance(event, engine.Done):
            self.done = event
            return [], {}
        if isinstance(event, engine.Failed):
            self.failed = event
            return [], {}
        return [_item(event)], {}

    def _phase(self, event: engine.Phase) -> tuple[list[Item], dict[str, object]]:
        # The engine saves, evaluates and saves again: for people this is one phase each.
        name = event.name
        if name == "saving" and "evaluating" not in self._phases:
            name = "evaluating"
        if name in self._phases:
            return [], {}
        self._phases.append(name)
        left = {"evaluating": self._tail, "saving": 1.0}.get(name, self._left())
        payload = {"name": name, "percent": percent(name, 0, 0), "eta_seconds": left}
        return [Item("phase", payload)], {"phase": name, "eta_seconds": left}

    def _left(self) -> float:
        return round(max(self._expected - (self._now() - self._started), TAIL_LEAST), 1)

    def _progress(self, event: engine.Progress) -> tuple[list[Item], dict[str, object]]:
        spent = self._now() - self._started
        # Evaluating the test rows and writing the files comes after: a share of the training.
        whole = spent + event.eta_seconds
        self._tail = round(max(TAIL_LEAST, TAIL_SHARE * whole), 1)
        left = round(event.eta_seconds + self._tail, 1)
        fields: dict[str, object] = {"step": event.step, "steps": event.steps, "eta_seconds": left}
        wait = CLOSE_SECONDS if spent < FIRST_MINUTES else FAR_SECONDS
        ends = event.step in {1, event.steps}
        if not ends and self._now() - self._kept < wait:
            return [], fields
        self._kept = self._now()
        payload = {
            **_item(event).payload,
            "eta_seconds": left,
            "percent": percent(event.phase, event.step, event.steps),
        }
        return [Item("progress", payload)], fields


def _item(event: engine.Event) -> Item:
    return Item(event.kind, {k: v for k, v in asdict(event).items() if k != "at"})


def percent_of(run: Run) -> int:
    """Return how far a run is, 0 to 100; one that ended without a model stays where it was."""
    if run.status == RunStatus.SUCCEEDED:
        return 100
    return percent(run.phase, run.step, run.steps)
