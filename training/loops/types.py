"""Plain values of the loops that cross modules."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Training:
    """One of the trainings by which a gain is measured.

    Attributes:
        seed: Of head, order and dropout; both of a pair have the same.
        augmented: Whether it learns from the augmented rows too.
    """

    seed: int
    augmented: bool

    @property
    def key(self) -> str:
        """Its name in the engine's job, the gain's row and the ledger."""
        return f"{self.seed}-{'with' if self.augmented else 'without'}"


SEEDS = (0, 1, 2)
TRAININGS = tuple(Training(seed, augmented) for seed in SEEDS for augmented in (False, True))
"""In the order in which they are done: a measurement that is stopped early has whole pairs."""
HELPS, SAME, HURTS = "helps", "same", "hurts"
"""What may be said of a gain."""
PRESET = "quick"
"""The recipe of each."""
UNITS = 100
"""Of progress, a training."""
