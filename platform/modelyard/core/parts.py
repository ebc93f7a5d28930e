"""The parts of a whole, as many as a chart can show."""

from __future__ import annotations

from collections.abc import Sequence

MOST_BARS = 20


def shortened(
    items: Sequence[tuple[str, int]], others: str, *, total: int | None = None
) -> list[tuple[str, int]]:
    """Return the first bars and one for all others, so that every share is one of the whole.

    Args:
        items: (label, value) pairs, the largest first.
        others: What the last bar is called.
        total: What all bars make together, where `items` are not all.
    """
    kept = list(items[:MOST_BARS])
    rest = (sum(n for _label, n in items) if total is None else total) - sum(n for _, n in kept)
    return [*kept, (others, rest)] if rest > 0 else kept
