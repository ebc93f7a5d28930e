"""Ids in great numbers: UUIDv7 of RFC 9562, each greater than the one before."""

from __future__ import annotations

import time
import uuid

import pytest

from modelyard.core import ids


def test_ids_of_a_sequence_only_grow_even_when_the_clock_is_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sequence = ids.Sequence()
    now = time.time_ns()
    taken: list[str] = []
    for shift in (0, 0, 5, -60_000, 7):
        monkeypatch.setattr(time, "time_ns", lambda shift=shift: now + shift * 1_000_000)
        taken += sequence.take(1_000)
    assert taken == sorted(set(taken))
    found = [uuid.UUID(one) for one in taken]
    assert found == sorted(found)
    assert {(one.version, one.variant) for one in found} == {(7, uuid.RFC_4122)}
    assert found[0].int >> 80 == now // 1_000_000
