"""Where each example goes: train, validation or test. Pure, seeded, independent of order.

Stratified by label; a group (examples with the very same text) is placed as one, so that no
text is ever both learnt from and tested on.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

MIN_TEXTS = 2
"""Different texts a label needs at least: what stands in train."""

Shares = tuple[float, float, float]
"""Of train, validation and test; they sum to 1."""


class Member(NamedTuple):
    """An example, as far as splitting goes."""

    content_hash: str
    group_hash: str
    label: str


def sizes(texts: int, shares: Shares) -> tuple[int, int, int]:
    """Return how many of a label's different texts go to train, validation and test.

    Two stay in train; from three on one is tested, from four on one validates.
    """
    spare = max(0, texts - MIN_TEXTS)
    test = min(spare, max(1, round(texts * shares[2])))
    validation = min(spare - test, max(1, round(texts * shares[1])))
    return texts - test - validation, validation, test


def assign(members: Iterable[Member], *, seed: int, shares: Shares) -> dict[str, str]:
    """Return the split of each group hash."""
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for member in members:
        labels[member.group_hash][member.label] += 1
    strata: dict[str, list[str]] = defaultdict(list)
    for group, counts in labels.items():
        strata[min(counts)].append(group)
    found: dict[str, str] = {}
    for groups in strata.values():
        groups.sort(key=lambda group: _draw(group, seed))
        train, validation, _test = sizes(len(groups), shares)
        for index, group in enumerate(groups):
            if index < train:
                found[group] = "train"
            else:
                found[group] = "validation" if index < train + validation else "test"
    _learn_every_label(labels, found)
    return found


def _draw(group: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{group}".encode()).hexdigest()


def _learn_every_label(labels: Mapping[str, Counter[str]], found: dict[str, str]) -> None:
    """Move a label's texts to train where conflicting labels left too few of it there."""
    in_train: Counter[str] = Counter()
    for group, counts in labels.items():
        if found[group] == "train":
            in_train.update(counts)
    every = {label for counts in labels.values() for label in counts}
    scarce = {label for label in every if in_train[label] < MIN_TEXTS}
    for group, counts in labels.items():
        if scarce & counts.keys():
            found[group] = "train"
