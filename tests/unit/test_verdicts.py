"""The arithmetic of a gain: what may be called help, and what is chance."""

from __future__ import annotations

import random

import numpy as np
import pytest

from training.engine import evaluate
from training.loops import verdicts
from training.loops.types import TRAININGS

TRUE = [number % 2 for number in range(100)]


def guesses(wrong: int, seed: int, true: list[int] = TRUE) -> list[int]:
    """Return the true classes with so many rows mistaken."""
    places = set(random.Random(seed).sample(range(len(true)), wrong))
    return [1 - label if at in places else label for at, label in enumerate(true)]


def found(without: list[int], augmented: list[int], true: list[int] = TRUE) -> verdicts.Finding:
    return verdicts.finding(
        true=true,
        without=[guesses(wrong, seed, true) for seed, wrong in enumerate(without)],
        augmented=[guesses(wrong, seed, true) for seed, wrong in enumerate(augmented)],
        labels=2,
    )


def test_macro_f1_over_weighted_rows_is_the_engines() -> None:
    chance = np.random.default_rng(3)
    true, predicted = chance.integers(0, 5, (2, 200))
    predicted[predicted == 4] = 0
    ours = verdicts.macro_f1(true, predicted, np.ones(200), 6)
    assert ours == pytest.approx(evaluate.macro_f1(true, predicted, 6), abs=1e-12)
    twice = verdicts.macro_f1(true, predicted, np.full(200, 2.0), 6)
    assert twice == pytest.approx(ours, abs=1e-12)


def test_a_large_steady_difference_helps_and_turned_round_it_hurts() -> None:
    helped = found([40, 41, 39], [10, 11, 9])
    assert helped.verdict == "helps"
    assert helped.mean == pytest.approx(0.3, abs=0.02)
    assert 0 < helped.low < helped.mean < helped.high
    hurt = found([10, 11, 9], [40, 41, 39])
    assert hurt.verdict == "hurts"
    assert hurt.mean == pytest.approx(-helped.mean)
    assert hurt.high < 0


def test_no_difference_is_none_with_an_interval_of_nothing() -> None:
    same = found([20, 20, 20], [20, 20, 20])
    assert (same.verdict, same.low, same.mean, same.high) == ("same", 0, 0, 0)


def test_seeds_that_disagree_are_not_called_help_however_good_their_mean() -> None:
    finding = found([40, 40, 40], [0, 38, 42], TRUE)
    assert finding.mean > 0.1
    assert finding.low < 0 < finding.high
    assert finding.verdict == "same"


def test_one_row_that_flips_in_all_three_trainings_is_not_called_help() -> None:
    true = [number % 2 for number in range(12)]
    finding = found([2, 2, 2], [1, 1, 1], true)
    spread = np.ptp(finding.differences)
    assert finding.mean > 0.05
    assert spread < 0.01, "a t interval over the three differences alone would be sure"
    assert finding.verdict == "same"


def test_trainings_come_in_pairs_of_one_seed() -> None:
    keys = [one.key for one in TRAININGS]
    assert keys == ["0-without", "0-with", "1-without", "1-with", "2-without", "2-with"]
