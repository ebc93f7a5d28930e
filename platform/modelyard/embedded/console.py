"""Lines of many processes on one terminal, each behind the name of its process."""

import contextlib
import itertools
import os
import sys
import threading
from collections.abc import Iterable
from typing import TextIO

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)  # ANSI, legible on dark and light


class Console:
    """Writes whole lines, so that those of different processes never mix.

    Args:
        names: The names to expect; they set the width of the column and the colours.
        output: Where to write; colours are used on a terminal, unless NO_COLOR is set.
    """

    def __init__(self, names: Iterable[str], output: TextIO = sys.stdout) -> None:
        names = [*names, "modelyard"]
        self._width = max(len(name) for name in names)
        self._output = output
        self._lock = threading.Lock()
        colourful = output.isatty() and not os.environ.get("NO_COLOR")
        self._colours = dict(zip(names, itertools.cycle(_COLOURS), strict=False))
        if not colourful:
            self._colours = {}

    def line(self, name: str, text: str) -> None:
        """Write one line of a process."""
        prefix = f"{name:<{self._width}} |"
        if name in self._colours:
            prefix = f"\033[{self._colours[name]}m{prefix}\033[0m"
        # A terminal that was closed must not block the process whose lines these are.
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._output.write(f"{prefix} {text}\n")
            self._output.flush()

    def say(self, text: str) -> None:
        """Write a sentence of the supervisor itself."""
        self.line("modelyard", text)
