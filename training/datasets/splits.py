"""Where each example goes: train, validation or test. Pure, seeded, independent of order.

A group (rows that must not be both learnt from and tested on) is placed as one. Groups are given
as arrays, one number a row, so that a million rows take some 50 MB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from training.datasets.shares import MIN_TEXTS, Shares, sizes

TRAIN, VALIDATION, TEST = range(3)
"""The splits as `place` writes them; positions in `states.SPLITS`."""

Ints = NDArray[np.int64]
_OVERSHOOT = 1.25
"""A group that would make a split larger than this many times its share is left in train."""


def join(count: int, links: Sequence[tuple[Ints, Ints]]) -> Ints:
    """Return the group of each of `count` rows: rows that links connect share one.

    Args:
        count: Rows.
        links: Pairs of rows, as two arrays of equal length each.
    """
    # Heavy, and needed in workers only.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ones = [one for one, _other in links]
    others = [other for _one, other in links]
    row = np.concatenate(ones) if ones else np.zeros(0, np.int64)
    column = np.concatenate(others) if others else np.zeros(0, np.int64)
    edges = coo_array((np.ones(len(row), dtype=np.int8), (row, column)), shape=(count, count))
    _number, groups = connected_components(edges, directed=False)
    return np.asarray(groups, dtype=np.int64)


def same(keys: NDArray[np.uint64]) -> tuple[Ints, Ints]:
    """Return links that connect all rows of one key: each row, and the first of its key."""
    _names, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return np.arange(len(keys), dtype=np.int64), first[inverse].astype(np.int64)


def names_of(groups: Ints, keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the name of each group, the least key of its rows: no order of rows changes it."""
    count = int(groups.max()) + 1 if len(groups) else 0
    names = np.full(count, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(names, groups, keys)
    return names


def place(
    *,
    groups: Ints,
    labels: Ints,
    names: NDArray[np.uint64],
    seed: int,
    shares: Shares,
    stratified: bool = True,
) -> NDArray[np.int8]:
    """Return the split of each group.

    Args:
        groups: Of each row, from 0.
        labels: Of each row, from 0, in the order of the labels' names.
        names: Of each group; with the seed they say who goes where.
        seed: Of the draw.
        shares: Of the rows, as near as whole groups allow.
        stratified: Keep the shares within each label, not only over all rows.
    """
    weights = np.bincount(groups, minlength=len(names))
    stratum = np.zeros(len(names), dtype=np.int64)
    if stratified:
        stratum[:] = np.iinfo(np.int64).max
        np.minimum.at(stratum, groups, labels)
    found = np.full(len(names), TRAIN, dtype=np.int8)
    for members in _strata(stratum):
        drawn = sorted(members, key=lambda group: _draw(int(names[group]), seed))
        left = drawn[::-1]
        _train, validation, test = sizes(int(weights[members].sum()), shares)
        for split, wanted, least in ((TEST, test, MIN_TEXTS), (VALIDATION, validation, MIN_TEXTS)):
            taken = _take(left, weights, wanted, len(left) - least)
            found[taken] = split
            gone = set(taken)
            left = [group for group in left if group not in gone]
    _learn_every_label(groups, labels, found)
    return found


def _strata(stratum: Ints) -> Iterator[list[int]]:
    order = np.argsort(stratum, kind="stable")
    edges = np.flatnonzero(np.diff(stratum[order])) + 1
    for members in np.split(order, edges):
        yield members.tolist()


def _take(left: Sequence[int], weights: Ints, wanted: int, most: int) -> list[int]:
    """Return groups that make `wanted` rows, as near as whole groups allow; at most `most`."""
    taken: list[int] = []
    got = 0
    for group in left:
        if got >= wanted or len(taken) >= most:
            return taken
        if got + weights[group] <= max(wanted * _OVERSHOOT, wanted):
            taken.append(group)
            got += int(weights[group])
    if not taken and most > 0 and wanted > 0:
        return [min(left, key=lambda group: int(weights[group]))]
    return taken


def _draw(name: int, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{name:016x}".encode()).digest()


def _learn_every_label(groups: Ints, labels: Ints, found: NDArray[np.int8]) -> None:
    """Move a label's groups to train where conflicting labels left too few of it there."""
    count = int(labels.max()) + 1 if len(labels) else 0
    in_train = np.bincount(labels[found[groups] == TRAIN], minlength=count)
    scarce = (in_train < MIN_TEXTS) & (np.bincount(labels, minlength=count) > 0)
    found[groups[scarce[labels]]] = TRAIN
