"""Trainings that are compared: validation rows judge, test rows are refused, no model is left."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from training.engine.errors import DataError, SpecError
from training.engine.evaluate import macro_f1
from training.engine.events import Event, Progress, Trial, parse, to_line
from training.engine.spec import DataSpec, TrainSpec, TrialSpec
from training.engine.trials import run_trials


def with_splits(path: Path, rows: list[tuple[str, str]], splits: list[str]) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label", "split"])
        writer.writerows(
            [text, label, splits[at % len(splits)]] for at, (text, label) in enumerate(rows)
        )
    return str(path)


def trial(path: str, spec: TrainSpec, key: str = "one") -> TrialSpec:
    return TrialSpec(key=key, data=DataSpec(path=path, split="split"), spec=spec)


def test_the_same_seed_gives_the_same_figures_and_another_seed_others(
    rows: list[tuple[str, str]], tiny_spec: TrainSpec, tmp_path: Path
) -> None:
    path = with_splits(tmp_path / "rows.csv", rows, ["train"] * 7 + ["validation"] * 3)
    spec = tiny_spec.with_changes(epochs=1)
    events: list[Event] = []
    orders = [trial(path, spec), trial(path, spec, "two"), trial(path, spec.with_changes(seed=1))]
    first, second, other = run_trials(orders, emit=events.append, should_stop=lambda: False)
    assert (first.macro_f1, first.predicted) == (second.macro_f1, second.predicted)
    assert other.predicted != first.predicted
    assert first.true == second.true
    assert len(first.true) == len(first.predicted) == 72
    assert [event.key for event in events if isinstance(event, Trial)] == ["one", "two", "one"]
    assert any(isinstance(event, Progress) for event in events)
    assert parse(to_line(first)) == first
    import numpy as np

    figure = macro_f1(np.array(first.true), np.array(first.predicted), first.labels)
    assert figure == pytest.approx(first.macro_f1)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


@pytest.mark.parametrize(
    ("splits", "code"),
    [
        (["train", "train", "validation", "test"], "test_rows"),
        (["train"], "too_few_rows"),
    ],
)
def test_a_file_with_test_rows_or_without_validation_rows_is_refused(
    rows: list[tuple[str, str]], tiny_spec: TrainSpec, tmp_path: Path, splits: list[str], code: str
) -> None:
    path = with_splits(tmp_path / "rows.csv", rows, splits)
    with pytest.raises(DataError) as refused:
        run_trials([trial(path, tiny_spec)], emit=lambda _: None, should_stop=lambda: False)
    assert refused.value.code == code


def test_an_order_that_lacks_something_is_refused_with_a_sentence() -> None:
    for job in ({}, {"trials": [{"key": "one"}]}, {"trials": [{"other": 1}]}):
        with pytest.raises(SpecError):
            TrialSpec.list_from_json(job)
