"""The engine against the tutorial's loop: same base, rows, steps and thread, taking turns."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from sklearn.metrics import f1_score

from tests.bench import text
from tests.bench.figures import Rounds, machine, spread, table
from tests.bench.tutorial import BATCH_SIZE, Tutorial
from training.engine.catalog import DEFAULT_BASE, resolve
from training.engine.events import Event, Phase, Progress
from training.engine.spec import DataSpec, JobSpec, TrainSpec
from training.engine.train import train

ROUND_STEPS = 19
EQUAL = 0.03
"""One standard error of macro-F1 on 800 rows is 0.013."""


@dataclass
class Turns:
    """Gets the engine's events; after every 19 of its steps the tutorial does as many.

    The engine's time holds everything it does between: its validation after each epoch too.
    Seconds are of the processor, one thread, so that other work on the machine counts little.
    """

    tutorial: Tutorial
    engine_seconds: list[float] = field(default_factory=list)
    tutorial_seconds: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    started: float | None = None
    tokenizing: float = 0.0
    rounds: Rounds | None = None

    def __call__(self, event: Event) -> None:
        now = time.process_time()
        if isinstance(event, Phase):
            if event.name == "tokenizing":
                self.tokenizing = -now
            elif event.name == "baseline":
                self.tokenizing += now
            elif event.name == "training":
                self.started = now
        elif isinstance(event, Progress) and self.started is not None:
            self._progress(event, now - self.started)

    def _progress(self, event: Progress, took: float) -> None:
        done = event.step - sum(self.steps)
        is_last = event.step == event.steps
        if done < ROUND_STEPS and not is_last:
            return
        self.rounds = self.rounds or Rounds("training", event.steps)
        self.steps.append(done)
        self.engine_seconds.append(took)
        with torch.random.fork_rng():
            torch.manual_seed(event.step)
            before = time.process_time()
            self.tutorial.steps(done)
            self.tutorial_seconds.append(time.process_time() - before)
        ratio = self.tutorial_seconds[-1] / took
        self.rounds.at(event.step, f"this round the engine was {ratio:.1f} x as fast")
        self.started = None if is_last else time.process_time()


@pytest.mark.timeout(3600)
def test_engine_against_the_tutorials_loop_at_equal_macro_f1(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    found = text.rows()
    text.write_split(tmp_path / "rows.csv", found)
    labels = sorted({label for _text, label in found})
    train_rows, test_rows = found[: text.TRAIN], found[text.TRAIN + text.VALIDATION :]
    tutorial = Tutorial(resolve(DEFAULT_BASE).folder, train_rows, labels, seed=0)
    turns = Turns(tutorial)
    job = JobSpec(
        data=DataSpec(path=str(tmp_path / "rows.csv"), split="split"),
        spec=TrainSpec.from_preset("balanced", threads=1),
        out=tmp_path / "model",
    )
    train(job, emit=turns, should_stop=lambda: False)
    metrics = json.loads((tmp_path / "model" / "metrics.json").read_text())
    truth = [label for _text, label in test_rows]
    guesses = tutorial.predict([row for row, _label in test_rows])
    theirs = float(f1_score(truth, guesses, average="macro"))
    ours = float(metrics["test"]["macro_f1"])
    _print(turns, ours, theirs, metrics)
    assert abs(ours - theirs) <= EQUAL
    assert sum(turns.steps) == 2 * -(-text.TRAIN // BATCH_SIZE)


def _print(turns: Turns, ours: float, theirs: float, metrics: dict[str, dict[str, object]]) -> None:
    def speeds(seconds: list[float]) -> list[float]:
        pairs = zip(turns.steps, seconds, strict=True)
        return [steps * BATCH_SIZE / took for steps, took in pairs]

    engine, tutorial = speeds(turns.engine_seconds), speeds(turns.tutorial_seconds)
    ratios = [one / other for one, other in zip(engine, tutorial, strict=True)]
    total = sum(turns.engine_seconds) + turns.tokenizing
    whole = sum(turns.tutorial_seconds) / total
    precision = metrics["training"]["precision"]
    print(f"\n{machine()}")
    table(
        f"Fine-tuning: {sum(turns.steps)} steps of {BATCH_SIZE} in {len(ratios)} rounds, 1 thread",
        ("loop", "samples per CPU second", "ratio", "CPU s, all steps", "macro-F1"),
        [
            (
                "tutorial (pad 128, fp32)",
                spread(tutorial, 1),
                "1",
                f"{sum(turns.tutorial_seconds):.0f}",
                f"{theirs:.3f}",
            ),
            (
                f"engine, balanced ({precision})",
                spread(engine, 1),
                spread(ratios, 1),
                f"{total:.0f} ({whole:.1f} x less)",
                f"{ours:.3f}",
            ),
        ],
    )
    print(
        "min / median / max of the rounds. The engine's seconds hold tokenising (once) and a "
        "validation an epoch; the tutorial has none."
    )
