"""What a training says while it works: typed records, one JSON line each.

A line is `{"kind": "progress", "at": 1764060000.1, ...}`; `parse` is its inverse, for the
supervisor at the other end of the pipe.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any, ClassVar

PHASES = ("loading", "tokenizing", "baseline", "training", "evaluating", "saving")


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all records; `at` is Unix time in seconds."""

    kind: ClassVar[str] = ""
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, kw_only=True)
class Phase(Event):
    """A phase began; `name` is one of `PHASES`."""

    kind = "phase"
    name: str


@dataclass(frozen=True, kw_only=True)
class Progress(Event):
    """How far the phase is: `step` of `steps`, mean loss since the record before."""

    kind = "progress"
    phase: str
    step: int
    steps: int
    epoch: int
    loss: float
    learning_rate: float
    examples_per_second: float
    eta_seconds: float


@dataclass(frozen=True, kw_only=True)
class Step(Event):
    """How far a map is: `done` of `total` rows in the phase "embedding" or "placing"."""

    kind = "step"
    phase: str
    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Eval(Event):
    """Figures on the validation rows after an epoch (counted from 1)."""

    kind = "eval"
    step: int
    epoch: int
    loss: float
    macro_f1: float
    accuracy: float
    examples: int


@dataclass(frozen=True, kw_only=True)
class Notice(Event):
    """A warning: training goes on, the user should know.

    `facts` are the numbers of the sentence, so that a reader can say it in another language.
    """

    kind = "warning"
    code: str
    message: str
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Baseline(Event):
    """TF-IDF and logistic regression on the same test rows."""

    kind = "baseline"
    macro_f1: float


@dataclass(frozen=True, kw_only=True)
class Trial(Event):
    """A training that leaves no model is over: figures of its last epoch on validation rows.

    `key` is the order's. `true` and `predicted` are class indices of the validation rows in the
    order of the file, [n]; `labels` says how many classes there are.
    """

    kind = "trial"
    key: str
    macro_f1: float
    accuracy: float
    labels: int
    true: list[int]
    predicted: list[int]


@dataclass(frozen=True, kw_only=True)
class Done(Event):
    """The artifact is written and verified; `metrics` is a flat summary."""

    kind = "done"
    metrics: dict[str, Any]
    manifest_sha256: str


@dataclass(frozen=True, kw_only=True)
class Failed(Event):
    """The end without an artifact; code "cancelled" where it was asked for."""

    kind = "failed"
    code: str
    message: str


Emit = Callable[[Event], None]

_KINDS: Mapping[str, type[Event]] = MappingProxyType(
    {cls.kind: cls for cls in (Phase, Progress, Step, Eval, Notice, Baseline, Trial, Done, Failed)}
)


def to_line(event: Event) -> str:
    """Return the record as one line of JSON, without the newline."""
    return json.dumps({"kind": event.kind, **asdict(event)}, ensure_ascii=False)


def parse(line: str) -> Event:
    """Read one line back.

    Raises:
        ValueError: the line is not a record of this module.
    """
    data = json.loads(line)
    if not isinstance(data, dict) or data.get("kind") not in _KINDS:
        raise ValueError(f"not an event line: {line[:200]!r}")
    cls = _KINDS[data.pop("kind")]
    names = {item.name for item in fields(cls)}
    if set(data) != names:
        raise ValueError(f"wrong fields in a {cls.kind} line: {sorted(set(data) ^ names)}")
    return cls(**data)
