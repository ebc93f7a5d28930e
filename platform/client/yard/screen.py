"""What the command writes: results to standard output, how far it is to standard error."""

from __future__ import annotations

import shutil
import sys
import time
from collections import deque

REDRAW = 0.2
RETELL = 10.0
WINDOW = 8.0


def size(count: float) -> str:
    """Write bytes as the platform does, 1,024 a step: `12.8 MB`."""
    units = ["bytes", "KB", "MB", "GB", "TB"]
    power = 0
    while count >= 1024 and power < len(units) - 1:
        count, power = count / 1024, power + 1
    return f"{count:.1f} {units[power]}" if power else f"{count:.0f} {units[power]}"


def span(seconds: float) -> str:
    """Write a time: `40 s`, `3 min`, `2.5 h`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Speed:
    """What moved in the last seconds, so that a slow start or an earlier visit doesn't count."""

    def __init__(self, total: float) -> None:
        """Keep what there is to do."""
        self.total = total
        self._seen: deque[tuple[float, float]] = deque()

    def see(self, done: float, now: float) -> None:
        """Take note of how much is done at a moment, in seconds."""
        if self._seen and done < self._seen[-1][0]:
            self._seen.clear()
        self._seen.append((done, now))
        while len(self._seen) > 2 and now - self._seen[1][1] > WINDOW:
            self._seen.popleft()

    @property
    def rate(self) -> float | None:
        """How much moves in a second; None until there is enough to tell."""
        if len(self._seen) < 2 or self._seen[-1][1] - self._seen[0][1] < 0.5:
            return None
        (was, then), (done, now) = self._seen[0], self._seen[-1]
        return (done - was) / (now - then)

    @property
    def left(self) -> float | None:
        """Seconds to go; None when unknown."""
        rate = self.rate
        return (self.total - self._seen[-1][0]) / rate if rate else None


class Screen:
    """Says things; a line that moves is drawn over on a terminal, and told now and then else."""

    def __init__(self) -> None:
        """Look whether a person watches."""
        self._live = sys.stderr.isatty()
        self._next = 0.0
        self._open = False

    def say(self, text: str = "") -> None:
        """Write a result."""
        self._end()
        print(text, flush=True)

    def complain(self, text: str) -> None:
        """Write why the command ends."""
        self._end()
        print(text, file=sys.stderr, flush=True)

    def moving(self, text: str, *, last: bool = False) -> None:
        """Show how far something is, as often as the eye can use it."""
        now = time.monotonic()
        if now < self._next and not last:
            return
        self._next = now + (REDRAW if self._live else RETELL)
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r{text[:width]:<{width}}", end="", file=sys.stderr, flush=True)
            self._open = True
        else:
            print(text, file=sys.stderr, flush=True)

    def ask(self, question: str) -> bool | None:
        """Ask; True is yes, None means that nobody is there to answer."""
        self._end()
        if not sys.stdin.isatty():
            return None
        print(f"{question} [y/N] ", end="", flush=True)
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    def _end(self) -> None:
        if self._open:
            print(file=sys.stderr, flush=True)
        self._open, self._next = False, 0.0
