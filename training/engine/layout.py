"""From vectors to a map: points on a plane, neighbours with other labels, areas.

Distances on the plane are for the eye only: neighbours are looked up among the vectors.
Everything is the same again for the same rows and seed on the same machine.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

COMPONENTS = 50
LANDMARKS = 5_000
"""Rows that t-SNE places; it takes time that grows faster than rows. The others are put between
the nearest of these."""
FEW_ROWS = 1_000
BETWEEN = 3
NEIGHBOURS = 10
CHUNK_ROWS = 2_000
MOST_AREAS = 24
ROWS_AN_AREA = 30
NO_LABEL = 255
"""In `Layout.differing`: the row has no label, or no labelled neighbour."""
SIDE = 65_535

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Area:
    """A part of the map.

    Attributes:
        rows: Rows in it.
        label: The most frequent label, None where no row has one.
        label_rows: Rows with that label.
        differing: Rows whose labelled neighbours mostly have another label.
        typical: The row nearest to its centre.
    """

    rows: int
    label: str | None
    label_rows: int
    differing: int
    typical: int


@dataclass(frozen=True)
class Layout:
    """A map of n rows.

    Attributes:
        x, y: 0 to 65,535, [n]; the same scale for both.
        differing: Per cent of the nearest labelled rows with another label, or `NO_LABEL`, [n].
        area: Index in `areas`, [n].
        areas: The largest first.
    """

    x: npt.NDArray[np.uint16]
    y: npt.NDArray[np.uint16]
    differing: npt.NDArray[np.uint8]
    area: npt.NDArray[np.uint8]
    areas: list[Area]


def lay_out(vectors: Floats, labels: Sequence[str | None], *, seed: int) -> Layout:
    """Make a map of at least one row; `vectors` are of length one, [n, width]."""
    reduced = _reduced(vectors)
    points = _points(reduced, seed=seed)
    differing = _differing(reduced, labels)
    area = _areas(points, seed=seed)
    scaled = _scaled(points)
    facts = [
        _facts(np.flatnonzero(area == number), points, labels, differing)
        for number in range(int(area.max()) + 1)
    ]
    return Layout(scaled[:, 0], scaled[:, 1], differing, area, facts)


def _reduced(vectors: Floats) -> Floats:
    """Return the principal components, [n, at most 50]: noise goes, and most of the time."""
    centred = vectors - vectors.mean(0)
    _values, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, : min(COMPONENTS, *vectors.shape)]
    # An axis may point either way: its largest part is made positive.
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    reduced: Floats = (centred @ axes).astype(np.float32)
    return reduced


def _points(reduced: Floats, *, seed: int) -> Floats:
    """Return a place on the plane for each row, [n, 2]."""
    if len(reduced) < 5:
        flat = np.zeros((len(reduced), 2), dtype=np.float32)
        flat[:, : min(2, reduced.shape[1])] = reduced[:, :2]
        return flat
    chosen = np.arange(len(reduced))
    if len(reduced) > LANDMARKS:
        random = np.random.default_rng(seed)
        chosen = np.sort(random.choice(len(reduced), LANDMARKS, replace=False))
    placed = _tsne(reduced[chosen], seed=seed)
    if len(chosen) == len(reduced):
        return placed
    return _between(reduced, chosen, placed)


def _tsne(rows: Floats, *, seed: int) -> Floats:
    """Return t-SNE's places (van der Maaten 2014, Barnes-Hut), started from the components."""
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(rows) - 1) / 3)
    model = TSNE(perplexity=perplexity, init=_start(rows), random_state=seed, n_jobs=1)
    # Threads of a small one wait for each other longer than they work.
    with threadpool_limits(limits=1 if len(rows) < FEW_ROWS else None):
        placed: Floats = model.fit_transform(rows)
    return placed


def _start(rows: Floats) -> Floats:
    start = np.zeros((len(rows), 2), dtype=np.float32)
    width = min(2, rows.shape[1])
    start[:, :width] = rows[:, :width]
    # Equal texts at the same point would never part, and a spread of zero can't be scaled.
    start += np.random.default_rng(0).normal(scale=1e-4, size=start.shape).astype(np.float32)
    scaled: Floats = start / start[:, 0].std() * np.float32(1e-4)
    return scaled


def _between(reduced: Floats, chosen: npt.NDArray[np.int64], placed: Floats) -> Floats:
    """Put each row that t-SNE did not see between the nearest of those it saw."""
    points = np.zeros((len(reduced), 2), dtype=np.float32)
    near, distance = _nearest(reduced, reduced[chosen], BETWEEN)
    weights = 1 / (distance + 1e-6)
    weights /= weights.sum(1, keepdims=True)
    points[:] = (placed[near] * weights[:, :, None]).sum(1)
    points[chosen] = placed
    return points


def _nearest(rows: Floats, among: Floats, count: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the `count` nearest of `among` for each row, and how far they are, both [n, count]."""
    squares = (among**2).sum(1)
    near = np.zeros((len(rows), count), dtype=np.int64)
    distance = np.zeros((len(rows), count), dtype=np.float32)
    for start in range(0, len(rows), CHUNK_ROWS):
        part = rows[start : start + CHUNK_ROWS]
        far = squares - 2 * (part @ among.T)
        found = np.argpartition(far, count - 1, axis=1)[:, :count]
        close = np.take_along_axis(far, found, axis=1) + (part**2).sum(1)[:, None]
        near[start : start + CHUNK_ROWS] = found
        distance[start : start + CHUNK_ROWS] = np.sqrt(np.maximum(close, 0))
    return near, distance


def _differing(reduced: Floats, labels: Sequence[str | None]) -> npt.NDArray[np.uint8]:
    """Return what per cent of the nearest labelled rows have another label, [n]."""
    answer = np.full(len(labels), NO_LABEL, dtype=np.uint8)
    labelled = np.array([at for at, label in enumerate(labels) if label is not None], dtype=int)
    count = min(NEIGHBOURS, len(labelled) - 1)
    if count < 1:
        return answer
    codes: dict[str | None, int] = {}
    own = np.array([codes.setdefault(labels[at], len(codes)) for at in labelled])
    rows = reduced[labelled]
    # One more, since a row is near itself; where equal texts crowd it out, the last one goes.
    near, distance = _nearest(rows, rows, count + 1)
    itself = near == np.arange(len(rows))[:, None]
    drop = np.where(itself.any(1), itself.argmax(1), distance.argmax(1))
    others = own[near] != own[:, None]
    others[np.arange(len(rows)), drop] = False
    answer[labelled] = np.rint(others.sum(1) * 100 / count).astype(np.uint8)
    return answer


def _areas(points: Floats, *, seed: int) -> npt.NDArray[np.uint8]:
    """Cut the plane in areas by k-means; area 0 has most rows."""
    from sklearn.cluster import KMeans

    wanted = min(MOST_AREAS, max(2, round((len(points) / ROWS_AN_AREA) ** 0.5)))
    different = len(np.unique(points, axis=0))
    model = KMeans(n_clusters=min(wanted, different), n_init=4, random_state=seed)
    found = model.fit_predict(points)
    order = [number for number, _rows in Counter(found.tolist()).most_common()]
    rank = np.zeros(max(order) + 1, dtype=np.uint8)
    rank[order] = np.arange(len(order))
    ranked: npt.NDArray[np.uint8] = rank[found]
    return ranked


def _scaled(points: Floats) -> npt.NDArray[np.uint16]:
    low, high = points.min(0), points.max(0)
    span = float((high - low).max()) or 1.0
    margin = (span - (high - low)) / 2
    scaled: npt.NDArray[np.uint16] = np.rint((points - low + margin) / span * SIDE).astype(
        np.uint16
    )
    return scaled


def _facts(
    members: npt.NDArray[np.int64],
    points: Floats,
    labels: Sequence[str | None],
    differing: npt.NDArray[np.uint8],
) -> Area:
    counts = Counter(labels[at] for at in members if labels[at] is not None)
    label, label_rows = min(
        counts.items(), key=lambda one: (-one[1], one[0] or ""), default=(None, 0)
    )
    away = ((points[members] - points[members].mean(0)) ** 2).sum(1)
    mostly = (differing[members] > 50) & (differing[members] != NO_LABEL)
    return Area(
        rows=len(members),
        label=label,
        label_rows=label_rows,
        differing=int(mostly.sum()),
        typical=int(members[away.argmin()]),
    )


def to_json(layout: Layout) -> dict[str, Any]:
    """Return what goes beside the points: the areas."""
    return {"areas": [vars(area) for area in layout.areas]}
