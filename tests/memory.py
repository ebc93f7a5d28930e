"""How much memory a process and all below it take, while something happens."""

from __future__ import annotations

import contextlib
import re
import threading
from pathlib import Path


class Memory(threading.Thread):
    """Watches from the start to the end of its block; sizes are bytes of resident memory."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self._over = pid, threading.Event()
        self.first = self.most = self.now()

    @property
    def grown(self) -> int:
        """How much more than at the start it ever was."""
        return self.most - self.first

    def now(self) -> int:
        """Return what the process and all below it have now."""
        return sum(_resident(pid) for pid in [self.pid, *_children(self.pid)])

    def run(self) -> None:
        """Look ten times a second."""
        while not self._over.wait(0.1):
            self.most = max(self.most, self.now())

    def __enter__(self) -> Memory:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        self.join()


def _children(pid: int) -> list[int]:
    """Return the processes below one; those that end meanwhile may be missing."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in path.read_text().split()]
    return [*found, *(one for child in found for one in _children(child))]


def _resident(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0
