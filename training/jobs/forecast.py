"""How long a run will take: steps x tokens at the measured speed of the default base model.

An estimate before the start is a range; once steps are done the engine's own figure replaces it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from training.engine.spec import TrainSpec
from training.jobs.types import Estimate

START_SECONDS = 9.0
TOKENS_PER_SECOND = 9000.0
EVALUATION_SPEEDUP = 3.0
BASELINE_ROW_SECONDS = 0.002
CHARS_PER_TOKEN = 4.0
TYPICAL_CHARS = 120.0
FEW_STEPS = 390
MAX_EPOCHS_FOR_STEPS = 20
SPREAD = (0.6, 1.7)


def steps_of(spec: TrainSpec, rows: int) -> int:
    """Return how many updates the engine will make on so many training rows."""
    per_epoch = max(1, math.ceil(rows / spec.batch_size))
    wanted = math.ceil((FEW_STEPS if spec.min_steps is None else spec.min_steps) / per_epoch)
    return per_epoch * max(spec.epochs, min(wanted, MAX_EPOCHS_FOR_STEPS))


def estimate(spec: TrainSpec, splits: Mapping[str, int], *, chars: float | None = None) -> Estimate:
    """Return the range of seconds for rows of `chars` characters on average."""
    rows = splits.get("train", 0)
    others = splits.get("validation", 0) + splits.get("test", 0)
    baseline = (rows + others) * BASELINE_ROW_SECONDS
    return around(START_SECONDS + learning_seconds(spec, rows, others, chars=chars) + baseline)


def learning_seconds(
    spec: TrainSpec, rows: int, judged: int, *, chars: float | None = None
) -> float:
    """Return how long the loop takes: `rows` learnt from, `judged` scored after each epoch."""
    tokens = min((chars or TYPICAL_CHARS) / CHARS_PER_TOKEN + 2, spec.max_length)
    steps = steps_of(spec, rows)
    epochs = steps / max(1, math.ceil(rows / spec.batch_size))
    learning = steps * spec.batch_size * tokens / TOKENS_PER_SECOND
    return learning + epochs * judged * tokens / (TOKENS_PER_SECOND * EVALUATION_SPEEDUP)


def around(seconds: float) -> Estimate:
    """Return the range that a figure before the start stands for."""
    return Estimate(low=seconds * SPREAD[0], high=seconds * SPREAD[1])
