"""Geometry of the charts that the server draws.

Each function turns numbers into a frozen dataclass of ready coordinates (strings, so that no
locale rewrites a decimal point); the templates in `components/charts/` write the SVG. Colours,
hatches and type come from the classes of `.y-plot`, never from here.
"""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

CHAR = 6.7  # average advance of an 11 px Latin character
WIDE = 11.5  # of a Chinese one


def text_width(text: str) -> float:
    """Estimate the width in px of a text at the 11 px of chart labels."""
    return sum(WIDE if unicodedata.east_asian_width(c) in "WF" else CHAR for c in text)


def number(value: float) -> str:
    """Write a count or an amount with thousands separators, without needless decimals."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def share(part: float, whole: float) -> str:
    """Write a share as a percentage, with one decimal below 1%."""
    percent = 100 * part / whole if whole else 0.0
    return f"{percent:.1f}%" if 0 < percent < 0.95 else f"{percent:.0f}%"


def _c(value: float) -> str:
    return f"{value:.1f}"


@dataclass(frozen=True)
class Mark:
    """One bar, cell, dot or tick: where it is drawn and what stands beside it."""

    label: str
    value: str
    x: str
    y: str
    width: str
    height: str
    text_x: str
    text_y: str
    css: str = ""
    note: str = ""
    opacity: str = "1"
    extra_x: str = ""
    low_x: str = ""
    high_x: str = ""
    extra: str = ""


@dataclass(frozen=True)
class Plot:
    """A chart: its box, its marks and ticks, and the columns that texts are aligned to."""

    width: str
    height: str
    marks: tuple[Mark, ...]
    ticks: tuple[Mark, ...] = ()
    heads: tuple[Mark, ...] = ()
    left: str = "0"
    right: str = "0"
    note_x: str = "0"
    base: str = "0"
    top: str = "0"
    path: str = ""
    area: str = ""


def bars(items: Sequence[tuple[str, float]], *, muted: str = "") -> Plot:
    """Lay out horizontal bars, one row of 22 px for each (label, value).

    The bar whose label equals `muted` is hatched: it is a rest, not a category.
    """
    left = max(84.0, *(text_width(label) for label, _ in items)) if items else 84.0
    bar, numbers, width = 150.0, left + 208, left + 254
    peak = max((value for _, value in items), default=0) or 1
    total = sum(value for _, value in items)
    marks = tuple(
        Mark(
            label=label,
            value=number(value),
            note=f"{100 * value / total if total else 0:.1f}%",
            x=_c(left + 8),
            y=_c(4 + 22 * row),
            width=_c(max(bar * value / peak, 1 if value else 0)),
            height="14",
            text_x=_c(left),
            text_y=_c(15 + 22 * row),
            css="hatched" if muted and label == muted else "f1",
        )
        for row, (label, value) in enumerate(items)
    )
    return Plot(_c(width), _c(4 + 22 * len(items)), marks, right=_c(numbers), note_x=_c(width))


def confusion(labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> Plot:
    """Lay out a confusion matrix; rows are true labels, columns predicted ones, cells counts."""
    n = len(labels)
    left = max(66.0, *(text_width(label) for label in labels)) + 22
    cell = min(max((470 - left - 56) / max(n, 1), 40), 84)
    widest = max(text_width(label) for label in labels)
    top = (20 + widest * 0.62) if n > 3 else 34.0
    top = max(top, 58.0)
    marks: list[Mark] = []
    worst = worst_confusion(matrix)
    for i, row in enumerate(matrix):
        total = sum(row)
        for j, count in enumerate(row):
            fraction = count / total if total else 0.0
            right = i == j
            marks.append(
                Mark(
                    label=f"{labels[i]} → {labels[j]}",
                    value=share(count, total) if count else "",
                    note=str(count),
                    x=_c(left + 9 + j * cell),
                    y=_c(top + 9 + i * cell),
                    width=_c(cell - 2),
                    height=_c(cell - 2),
                    text_x=_c(left + 8 + (j + 0.5) * cell),
                    text_y=_c(top + 12 + (i + 0.5) * cell),
                    css="cell-ok" if right else ("cell-err" if count else ""),
                    # A right cell is full blue: its number must stay readable on it.
                    opacity="1" if right else f"{min(0.11 + 3.1 * fraction, 0.55):.2f}",
                    extra="t-on" if right else ("t-ink" if fraction > 0.015 else ""),
                    extra_x="ring" if (i, j) == worst else "",
                )
            )
    heads = tuple(
        Mark(label, number(sum(matrix[k])), "", "", "", "",
             _c(left + 11 + (k + 0.5) * cell), _c(top + 12 + (k + 0.5) * cell))
        for k, label in enumerate(labels)
    )  # fmt: skip
    end = left + 9 + n * cell
    overhang = widest * 0.79 - cell / 2 if n > 3 else 0.0
    width = max(end + max(50.0, overhang), 440.0)
    return Plot(
        _c(width), _c(top + 11 + n * cell), tuple(marks), heads=heads, left=_c(left),
        right=_c(end + 7), top=_c(top), base="tilt" if n > 3 else "",
    )  # fmt: skip


def worst_confusion(matrix: Sequence[Sequence[int]]) -> tuple[int, int] | None:
    """Return (true, predicted) of the largest share among wrong cells, None without errors."""
    found, best = None, 0.0
    for i, row in enumerate(matrix):
        total = sum(row)
        for j, count in enumerate(row):
            if i != j and total and count / total > best:
                found, best = (i, j), count / total
    return found


def nice_step(peak: float, ticks: int = 4) -> float:
    """Return a step of 1, 2, 2.5 or 5 times a power of ten, so that `ticks` steps hold `peak`."""
    rough = max(peak, 1e-9) / ticks
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * (1 - 1e-9))


def columns(days: Sequence[tuple[str, float]]) -> Plot:
    """Lay out one column a day in a box of 1120 x 226; every fifth day and the last are named."""
    peak = max((value for _, value in days), default=0)
    step = max(nice_step(peak), 1) if peak else 1
    step = 5 if step == 2.5 else step  # counts have no halves
    top, base = 16.0, 202.0
    high = step * 4
    left = 12 + max(text_width(number(step * k)) for k in range(5))
    slot = (1120 - left) / max(len(days), 1)
    marks = tuple(
        Mark(
            label=label,
            value=number(value),
            x=_c(left + 2 + slot * k),
            y=_c(base - (base - top) * value / high),
            width=_c(max(slot - 4, 1)),
            height=_c((base - top) * value / high),
            text_x=_c(left + slot * (k + 0.5)),
            text_y="219",
            css="f1",
            extra="named" if k % 5 == 0 or k == len(days) - 1 else "",
        )
        for k, (label, value) in enumerate(days)
    )
    ticks = tuple(
        Mark("", number(step * k), _c(left), _c(base - (base - top) * k / 4), "1120", "",
             _c(left - 6), _c(base - (base - top) * k / 4 + 4))
        for k in range(5)
    )  # fmt: skip
    return Plot("1120", "226", marks, ticks=ticks, left=_c(left), base=_c(base), top=_c(top))


def dots(rows: Sequence[tuple[str, float, float | None, int]]) -> Plot:
    """Lay out a dot plot: one row of 30 px for each (label, value, compared value, count)."""
    left = max(66.0, *(text_width(row[0]) for row in rows)) + 20 if rows else 86.0
    right, width = 374.0, 470.0
    values = [v for row in rows for v in row[1:3] if v is not None]
    lowest = min(values, default=0) - 0.01
    low = next((edge for edge in (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.2) if lowest >= edge), 0.0)
    step = 0.05 if low >= 0.8 else 0.1 if low >= 0.5 else 0.2
    steps = round((1 - low) / step)

    def at(value: float) -> float:
        return left + (right - left) * (value - low) / (1 - low)

    marks = tuple(
        Mark(
            label=label,
            value=f"{value:.3f}",
            note=number(count),
            x=_c(at(value)),
            y=_c(16 + 30 * k),
            width="",
            height="",
            text_x=_c(left - 18),
            text_y=_c(20 + 30 * k),
            extra_x="" if other is None else _c(at(other)),
            extra="" if other is None else f"{other:.3f}",
            low_x=_c(min(at(value), at(other if other is not None else value))),
            high_x=_c(max(at(value), at(other if other is not None else value))),
        )
        for k, (label, value, other, count) in enumerate(rows)
    )
    base = 16.0 + 30 * len(rows)
    edges = [low + step * k for k in range(steps + 1)]
    ticks = tuple(
        Mark("", f"{edge:.2f}", _c(at(edge)), "4", "", _c(base - 6), _c(at(edge)), _c(base + 12))
        for edge in edges
    )
    return Plot(
        _c(width), _c(base + 20), marks, ticks=ticks, left=_c(left), right="424", note_x="470",
        base=_c(base + 12),
    )  # fmt: skip


def spark(values: Sequence[float]) -> Plot:
    """Lay out a sparkline of 120 x 32: a path and the area under it."""
    peak = max(values, default=0) or 1
    step = 116 / max(len(values) - 1, 1)
    points = [f"{2 + step * k:.1f} {29 - 26 * v / peak:.1f}" for k, v in enumerate(values)]
    if not points:
        return Plot("120", "32", ())
    line = "M" + "L".join(points)
    return Plot(
        "120", "32", (), path=line, area=f"{line}L{2 + step * (len(points) - 1):.1f} 32L2 32Z"
    )
