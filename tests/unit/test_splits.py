"""Splits: shares, groups that stay together, labels that are learnt, no dependence on order."""

from __future__ import annotations

import numpy as np
import pytest

from training.datasets import splits

SHARES = (0.8, 0.1, 0.1)


def placed(groups, labels, seed=0, *, stratified=True):
    """Return the split of each row; a group's name is its number, spread."""
    groups, labels = np.array(groups), np.array(labels)
    names = (np.arange(groups.max() + 1).astype(np.uint64) + 1) * np.uint64(0x9E3779B97F4A7C15)
    found = splits.place(
        groups=groups, labels=labels, names=names, seed=seed, shares=SHARES, stratified=stratified
    )
    return found[groups]


def test_shares_hold_within_each_label_and_over_all():
    labels = [0] * 700 + [1] * 200 + [2] * 100
    got = placed(range(1000), labels)
    for label, rows in ((0, 700), (1, 200), (2, 100)):
        counts = np.bincount(got[np.array(labels) == label], minlength=3)
        assert counts.tolist() == [rows * 8 // 10, rows // 10, rows // 10]
    loose = np.bincount(placed(range(1000), labels, stratified=False), minlength=3)
    assert loose.tolist() == [800, 100, 100]


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_together_and_shares_are_near_whatever_their_sizes(seed):
    chance = np.random.default_rng(seed)
    groups = np.repeat(np.arange(400), chance.integers(1, 12, size=400))
    labels = chance.integers(0, 3, size=len(groups))
    got = placed(groups, labels, seed)
    assert all(len(set(got[groups == group])) == 1 for group in range(400))
    share = np.bincount(got, minlength=3) / len(groups)
    assert abs(share - SHARES).max() < 0.03


def test_one_huge_group_is_learnt_from_rather_than_tested_on():
    groups = [0] * 500 + list(range(1, 101))
    got = placed(groups, [0] * 600)
    assert got[0] == splits.TRAIN
    assert np.bincount(got, minlength=3)[1:].min() >= 30


def test_another_seed_draws_others_and_the_order_of_rows_draws_the_same():
    labels = [row % 2 for row in range(200)]
    assert (placed(range(200), labels, 0) != placed(range(200), labels, 1)).any()
    backwards = placed(list(range(200))[::-1], labels[::-1])
    assert (backwards[::-1] == placed(range(200), labels)).all()


def test_links_join_rows_over_several_steps_and_the_least_key_names_them():
    keys = np.array([7, 9, 7, 4, 5], dtype=np.uint64)
    near = (np.array([1]), np.array([3]))
    groups = splits.join(5, [splits.same(keys), near])
    assert groups[0] == groups[2]
    assert groups[1] == groups[3]
    assert len(set(groups.tolist())) == 3
    assert sorted(splits.names_of(groups, keys).tolist()) == [4, 5, 7]


def test_a_label_that_stands_only_in_groups_of_others_is_still_learnt():
    # Label 1 has two rows, each in a group of label 0 that may be drawn for the test.
    for seed in range(20):
        got = placed([*range(40), 0, 1], [0] * 40 + [1, 1], seed)
        assert got[40] == got[41] == splits.TRAIN
