"""How many of a label's texts go to train, validation and test. Pure."""

from __future__ import annotations

MIN_TEXTS = 2
"""Different texts a label needs at least: what stands in train."""

Shares = tuple[float, float, float]
"""Of train, validation and test; they sum to 1."""


def sizes(texts: int, shares: Shares) -> tuple[int, int, int]:
    """Return how many of a label's different texts go to train, validation and test.

    Two stay in train; from three on one is tested, from four on one validates.
    """
    spare = max(0, texts - MIN_TEXTS)
    test = min(spare, max(1, round(texts * shares[2])))
    validation = min(spare - test, max(1, round(texts * shares[1])))
    return texts - test - validation, validation, test
