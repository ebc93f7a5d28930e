"""Near duplicates: groups of texts that say almost the same, in memory that a worker has.

MinHash signatures (Broder 1997) in bands find the candidates; each pair is then compared by its
shingles themselves, so no group rests on an estimate. Shingles and band keys lie in temporary
files: a million short texts take about 150 MB of memory, longer texts take disk.

For workers only: the web image has neither numpy nor rensa, so import this in the function that
calls it.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import IO

import numpy as np
import rensa
from numpy.typing import NDArray

from training.datasets.health.shingles import Shingles, likeness, shingles_of

THRESHOLD = 0.8
_BANDS = 20
_BAND_ROWS = 6
"""A pair at 0.8 is missed once in 400, at 0.9 never; one at 0.3 is compared once in 70."""
_CHUNK = 4_096
_CROWD = 64
"""From so many rows with one band key on, their rarest shingles divide them further."""
_COMPARED = 256
"""At most so many unlike rows of one bucket does a row meet; a bound for texts from a template."""
_SEEDS = np.uint64(0x9E3779B97F4A7C15)
_Rows = NDArray[np.int64]


def _nothing() -> None:
    return


def groups(
    rows: Iterable[tuple[str, str]],
    *,
    threshold: float = THRESHOLD,
    seed: int = 0,
    beat: Callable[[], None] = _nothing,
) -> dict[str, str]:
    """Group the rows of which each is nearly the same as another of its group.

    Args:
        rows: (id, text) of each row, read once, in any number.
        threshold: Jaccard index of the shingles from which on two texts are near.
        seed: Of the signatures; the same rows and seed give the same groups.
        beat: Called every few seconds of work at the latest, e.g. to renew a lease; what it
            raises ends the work.

    Returns:
        For each row that has a near duplicate, the id of the first row of its group. Rows that
        stand alone are not in it.
    """
    with tempfile.TemporaryFile() as shingles, tempfile.TemporaryFile() as keys:
        spool = _spool(rows, shingles, keys, seed, beat)
        if len(spool.ids) < 2:
            return {}
        return _Grouping(spool, threshold, beat).run()


@dataclass
class _Spool:
    """The rows as files: shingles one after another, and a line of band keys a row."""

    ids: list[str] = field(default_factory=list)
    starts: list[NDArray[np.int64]] = field(default_factory=list)
    shingles: NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))
    keys: NDArray[np.uint64] = field(default_factory=lambda: np.zeros((0, _BANDS), np.uint64))


def _chunks(rows: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    source = iter(rows)
    while chunk := list(islice(source, _CHUNK)):
        yield chunk


def _spool(
    rows: Iterable[tuple[str, str]],
    shingles: IO[bytes],
    keys: IO[bytes],
    seed: int,
    beat: Callable[[], None],
) -> _Spool:
    spool, written = _Spool(), 0
    for chunk in _chunks(rows):
        sets = [shingles_of(text) for _id, text in chunk]
        spool.ids.extend(one for one, _text in chunk)
        sizes = np.array([len(one) for one in sets], dtype=np.int64)
        spool.starts.append(written + np.concatenate(([0], np.cumsum(sizes)[:-1])))
        flat = np.concatenate(sets)
        written += len(flat)
        shingles.write(flat.tobytes())
        keys.write(_band_keys(flat, sizes, seed).tobytes())
        beat()
    spool.starts.append(np.array([written], dtype=np.int64))
    shingles.flush()
    keys.flush()
    if written:
        spool.shingles = np.asarray(np.memmap(shingles, np.uint32, "r", shape=(written,)))
    if spool.ids:
        shape = (len(spool.ids), _BANDS)
        spool.keys = np.asarray(np.memmap(keys, np.uint64, "r", shape=shape))
    return spool


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread the bits of 64-bit integers (the finaliser of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _band_keys(flat: Shingles, sizes: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    """Return (rows, bands): what rows with the same part of a signature share; 0 for no shingle."""
    offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.uint64)
    matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(
        _mixed(flat.astype(np.uint64) + _SEEDS), offsets, _BANDS * _BAND_ROWS, seed
    )
    signatures = np.array(matrix.to_rows(), dtype=np.uint64).reshape(-1, _BANDS, _BAND_ROWS)
    keys = np.zeros(signatures.shape[:2], dtype=np.uint64)
    for at in range(_BAND_ROWS):
        keys = _mixed(keys * _SEEDS + signatures[:, :, at] + np.uint64(1))
    keys[sizes == 0] = 0
    return keys


class _Grouping:
    """Joins rows to groups, a band of keys after another."""

    def __init__(self, spool: _Spool, threshold: float, beat: Callable[[], None]) -> None:
        """Start with every row alone."""
        self.ids = spool.ids
        self.keys = spool.keys
        self.starts = np.concatenate(spool.starts)
        self.shingles = spool.shingles
        self.threshold = threshold
        self.beat = beat
        self.head = np.arange(len(self.ids), dtype=np.int64)
        self.compared = 0

    def run(self) -> dict[str, str]:
        """Return the groups."""
        kept = self._join_equal()
        for band in range(_BANDS):
            self.beat()
            for bucket in _alike(self.keys[kept, band]):
                self._join_bucket(kept[bucket])
        return self._result()

    def _set(self, row: int) -> Shingles:
        return self.shingles[self.starts[row] : self.starts[row + 1]]

    def _find(self, row: int) -> int:
        head = self.head
        while head[row] != row:
            head[row] = head[head[row]]
            row = int(head[row])
        return row

    def _join(self, one: int, other: int) -> None:
        """Make two groups one, under the head that came first."""
        first, second = sorted((self._find(one), self._find(other)))
        self.head[second] = first

    def _join_equal(self) -> _Rows:
        """Join rows of the very same keys and shingles; return the first of each such group."""
        whole = np.zeros(len(self.ids), dtype=np.uint64)
        for band in range(_BANDS):
            whole = _mixed(whole * _SEEDS + self.keys[:, band])
        whole[self.keys[:, 0] == 0] = 0
        for bucket in _alike(whole):
            different: list[int] = []
            for row in bucket.tolist():
                mine = self._set(row)
                same = next((o for o in different if np.array_equal(self._set(o), mine)), None)
                if same is None:
                    different.append(row)
                else:
                    self.head[row] = same
        alone = self.head == np.arange(len(self.ids))
        return np.flatnonzero(alone & (self.keys[:, 0] != 0))

    def _heads(self, rows: _Rows) -> _Rows:
        """Return the first row of the group of each."""
        heads: _Rows = self.head[rows]
        while np.any(self.head[heads] != heads):
            heads = self.head[heads]
        self.head[rows] = heads
        return heads

    def _join_bucket(self, rows: _Rows) -> None:
        if len(rows) < _CROWD:
            self._compare(rows)
            return
        heads = self._heads(rows)
        if np.all(heads == heads[0]):
            return
        for bucket in self._divided(rows):
            self._compare(bucket)

    def _divided(self, rows: _Rows) -> Iterator[_Rows]:
        """Divide a crowd: a pair at the threshold shares one of each row's rarest shingles.

        Prefix filtering (Chaudhuri, Ganti, Kaushik 2006): with n shingles, the rarest
        n - ceil(t * n) + 1 are enough.
        """
        sets = [self._set(row) for row in rows.tolist()]
        names, inverse, counts = np.unique(
            np.concatenate(sets), return_inverse=True, return_counts=True
        )
        del names
        tokens: list[NDArray[np.int64]] = []
        owners: list[NDArray[np.int64]] = []
        at = 0
        for row, one in zip(rows.tolist(), sets, strict=True):
            mine = inverse[at : at + len(one)]
            at += len(one)
            prefix = len(mine) - math.ceil(self.threshold * len(mine)) + 1
            rarest = mine[np.lexsort((mine, counts[mine]))[:prefix]]
            tokens.append(rarest)
            owners.append(np.full(len(rarest), row, dtype=np.int64))
        self.beat()
        owner = np.concatenate(owners)
        for bucket in _alike(np.concatenate(tokens).astype(np.uint64) + np.uint64(1)):
            yield np.sort(owner[bucket])

    def _compare(self, rows: _Rows) -> None:
        """Compare the rows of a bucket by their shingles; one hit a group is enough."""
        heads = self._heads(rows)
        if np.all(heads == heads[0]):
            return
        together: dict[int, list[int]] = {}
        for row in rows.tolist():
            self._compare_one(row, together)
            together.setdefault(self._find(row), []).append(row)

    def _compare_one(self, row: int, together: dict[int, list[int]]) -> None:
        mine, met = self._set(row), 0
        for members in reversed(together.values()):
            if met >= _COMPARED:
                break
            for other in members:
                if self._find(other) == self._find(row):
                    break
                met += 1
                if self._near(mine, self._set(other)):
                    self._join(row, other)
                    break
        self.compared += met
        if self.compared > 100_000:
            self.compared = 0
            self.beat()

    def _near(self, one: Shingles, other: Shingles) -> bool:
        short, long = sorted((len(one), len(other)))
        return short >= self.threshold * long and likeness(one, other) >= self.threshold

    def _result(self) -> dict[str, str]:
        heads = [self._find(row) for row in range(len(self.ids))]
        sizes = np.bincount(heads, minlength=len(self.ids))
        return {self.ids[row]: self.ids[head] for row, head in enumerate(heads) if sizes[head] > 1}


def _alike(keys: NDArray[np.uint64]) -> Iterator[_Rows]:
    """Yield the places of each key that occurs twice or more, ascending; key 0 is none."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    edges = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1], [True])))
    for which in np.flatnonzero(np.diff(edges) > 1).tolist():
        start, end = int(edges[which]), int(edges[which + 1])
        if ordered[start]:
            yield order[start:end]
