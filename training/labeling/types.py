"""Facts about labelling that cross apps."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Counts:
    """How many tasks of a project are in which state.

    Attributes:
        waiting: Open, or with a lease that is over.
        leased: With somebody now.
    """

    waiting: int
    leased: int
    accepted: int
    skipped: int

    @property
    def total(self) -> int:
        """All tasks."""
        return self.waiting + self.leased + self.accepted + self.skipped

    @property
    def done(self) -> int:
        """Tasks that need nobody any more."""
        return self.accepted + self.skipped


@dataclass(frozen=True)
class Given:
    """Tasks that were handed to somebody, and until when they are theirs alone."""

    task_ids: list[uuid.UUID]
    until: dt.datetime


@dataclass(frozen=True)
class Answer:
    """One answer from a client's outbox.

    Attributes:
        client_id: Made by the client; repeats of it count once.
        duration_ms: From the moment the text was shown; None when the client didn't measure.
    """

    task_id: uuid.UUID
    label: str
    client_id: str
    duration_ms: int | None = None


@dataclass(frozen=True)
class Undo:
    """One act to take back: an answer by its client id, or a skip (client id '')."""

    task_id: uuid.UUID
    client_id: str = ""


@dataclass(frozen=True)
class Result:
    """What became of one item.

    Attributes:
        status: `saved`; `taken` (somebody else has or had the task, nothing was written);
            `undone`; `frozen` (it is in a version, too late to undo); `unknown` (no such task).
    """

    task_id: uuid.UUID
    client_id: str
    status: str


@dataclass(frozen=True)
class Guess:
    """What a model says of one task's text."""

    label: str
    score: float


@dataclass(frozen=True)
class Frozen:
    """What freezing the accepted labels gave."""

    version_id: uuid.UUID
    number: int
    counts: Mapping[str, int]
