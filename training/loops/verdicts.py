"""The arithmetic of a gain: paired differences, their interval, and what may be said. Pure.

Two things could make a difference by chance: the seed (head, order, dropout) and which rows
happen to be in validation. Both are in the interval. The seeds' part is the variance of the
paired differences, s^2/k; the rows' part is a bootstrap over validation rows, all trainings
judged on the same draw (Efron and Tibshirani, 1993, chapter 13). Their sum has the degrees of
freedom of Satterthwaite (1946), so with 3 seeds that disagree the factor is as wide as 4.3. A t
interval over 3 differences alone would call it certain when three trainings happen to flip the
same row of a small validation split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.loops.types import HELPS, HURTS, SAME

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

DRAWS = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Finding:
    """What was measured, in macro-F1 from 0 to 1.

    Attributes:
        mean: Of the paired differences, with minus without.
        low: Lower end of the 95 % interval.
        high: Its upper end.
        verdict: `helps` only when `low` is above 0, `hurts` only when `high` is below, else
            `same`: no difference that can be told from chance.
        differences: One a seed.
    """

    mean: float
    low: float
    high: float
    verdict: str
    differences: tuple[float, ...]


def finding(
    *,
    true: Sequence[int],
    without: Sequence[Sequence[int]],
    augmented: Sequence[Sequence[int]],
    labels: int,
) -> Finding:
    """Return what trainings of two kinds say, paired by seed.

    Args:
        true: Class of each validation row, [n].
        without: Predicted classes, [seeds][n].
        augmented: The same of the trainings with augmented rows, in the same order of seeds.
        labels: How many classes there are.
    """
    rows = np.array([true, *without, *augmented], dtype=np.int64).T
    cells, counts = np.unique(rows, axis=0, return_counts=True)
    differences = _differences(cells, counts.astype(np.float64), labels)
    mean = float(differences.mean())
    seeds = float(differences.var(ddof=1)) / len(differences)
    chance = _row_variance(cells, counts, labels)
    low, high = _interval(mean, seeds=seeds, k=len(differences), rows=chance, n=len(true))
    verdict = HELPS if low > 0 else HURTS if high < 0 else SAME
    return Finding(mean, low, high, verdict, tuple(float(one) for one in differences))


def macro_f1(true: Ints, predicted: Ints, weights: Floats, labels: int) -> float:
    """Return the mean F1 over the classes that occur in either, each row counted `weights` times.

    With weights of 1 it is `training.engine.evaluate.macro_f1`.
    """
    hits = true == predicted
    right = np.bincount(true[hits], weights[hits], minlength=labels)
    both = np.bincount(true, weights, minlength=labels)
    both = both + np.bincount(predicted, weights, minlength=labels)
    there = both > 0
    return float((2 * right[there] / both[there]).mean())


def _differences(cells: Ints, weights: Floats, labels: int) -> Floats:
    """Return macro-F1 with minus without, [seeds]; cells are [k, 1 + 2 x seeds]."""
    true, pairs = cells[:, 0], (cells.shape[1] - 1) // 2
    scores = [macro_f1(true, cells[:, 1 + at], weights, labels) for at in range(2 * pairs)]
    found: Floats = np.array(scores[pairs:]) - np.array(scores[:pairs])
    return found


def _row_variance(cells: Ints, counts: Ints, labels: int) -> float:
    """Return how much the mean difference varies with the rows that are in validation."""
    random = np.random.default_rng(0)
    total = int(counts.sum())
    drawn = [
        _differences(cells, random.multinomial(total, counts / total).astype(float), labels).mean()
        for _draw in range(DRAWS)
    ]
    return float(np.var(drawn, ddof=1))


def _interval(mean: float, *, seeds: float, k: int, rows: float, n: int) -> tuple[float, float]:
    """Return the ends; `seeds` and `rows` are variances of the mean, of `k` seeds and `n` rows."""
    from scipy import stats  # noqa: PLC0415 - workers only

    together = seeds + rows
    if together == 0:
        return mean, mean
    freedom = together**2 / (seeds**2 / (k - 1) + rows**2 / max(n - 1, 1))
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * together**0.5
    return mean - half, mean + half
