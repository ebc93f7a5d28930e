"""Figures of a bench: min / median / max, tables, and the facts of the machine."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return "min / median / max"."""
    three = (min(values), statistics.median(values), max(values))
    return " / ".join(f"{value:.{digits}f}" for value in three)


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the values are (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table that can be pasted into docs/benchmarks.md."""
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    print(f"\n### {title}\n")
    for row in (head, ["-" * width for width in widths], *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("| " + " | ".join(cells) + " |")
    sys.stdout.flush()


def machine() -> str:
    """Return one line: processor, cores, what it computes in, versions, load."""
    path = Path("/proc/cpuinfo")
    info = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    model = next(
        (line.split(":", 1)[1].strip() for line in info.splitlines() if "model name" in line),
        platform.processor() or platform.machine(),
    )
    words = set(info.split())
    flags = " ".join(flag for flag in FLAGS if flag in words) or "flags unknown"
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{model}, {len(os.sched_getaffinity(0))} cores ({flags}); Python "
        f"{platform.python_version()}, torch {torch.__version__}; load average {load}"
    )


class Rounds:
    """Says after each round how far it is and how long it will take."""

    def __init__(self, title: str, total: float) -> None:
        self.title, self.total = title, total
        self.started = time.monotonic()

    def at(self, done: float, said: str) -> None:
        """Print one line."""
        took = time.monotonic() - self.started
        left = took / done * (self.total - done) if done else 0.0
        print(
            f"{self.title}: {100 * done / self.total:3.0f} %, {took:.0f} s, "
            f"about {left:.0f} s left; {said}",
            flush=True,
        )
