"""Plain values of runs that cross modules and apps."""

from __future__ import annotations

import uuid
from dataclasses import dataclass


@dataclass(frozen=True)
class Lease:
    """A worker's right to write to one attempt of a run; `attempt` is the fencing token."""

    tenant_id: uuid.UUID
    run_id: uuid.UUID
    attempt: int
    owner: str


class LeaseLost(Exception):
    """The run is no longer this worker's: stop, and write nothing more."""


@dataclass(frozen=True)
class Item:
    """One event to be written: its kind and what it says."""

    kind: str
    payload: dict[str, object]


@dataclass(frozen=True)
class Estimate:
    """How long a run will take, in seconds; the range is honest, not narrow."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        """The figure that a bar needs."""
        return (self.low + self.high) / 2


@dataclass(frozen=True)
class PhaseFacts:
    """One step of the line under the bar.

    Attributes:
        key: Stable name.
        label: What people read.
        state: "done", "now" or "todo".
        seconds: Taken so far or in all; None where unknown.
        about: Whether `seconds` is an estimate.
    """

    key: str
    label: str
    state: str
    seconds: float | None
    about: bool = False
