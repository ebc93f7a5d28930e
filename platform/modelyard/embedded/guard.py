"""The owner's side of the watchdog: tells it what to stop when this process is gone."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Sequence

from modelyard.embedded import watchdog
from modelyard.embedded.watchdog import Charge


class Guard:
    """Holds the only writable end of the watchdog's pipe.

    Args:
        keep_open: File descriptors that the watchdog holds too, as a lock that must outlive this
            process until the clean-up is done.
    """

    def __init__(self, keep_open: Sequence[int] = ()) -> None:
        self._keep_open = tuple(keep_open)
        self._charges: dict[int, Charge] = {}
        self._lock = threading.Lock()
        self._process = self._launch()
        # A fork (multiprocessing) must not keep the pipe open after this process is gone.
        os.register_at_fork(after_in_child=self._forget)

    @property
    def pid(self) -> int:
        """The watchdog's process id."""
        return self._process.pid

    def add(self, charge: Charge) -> None:
        """Have a process stopped if this one goes away first."""
        with self._lock:
            self._charges[charge.pid] = charge
            self._send(charge.line())

    def remove(self, pid: int) -> None:
        """Say that a process has ended and its id means nothing any more."""
        with self._lock:
            self._charges.pop(pid, None)
            self._send(f'{{"op": "remove", "pid": {pid}}}\n')

    def revive(self) -> None:
        """Start the watchdog again if somebody ended it."""
        with self._lock:
            if self._process.poll() is not None:
                self._replace()

    def close(self) -> None:
        """Let the watchdog stop what is left, and wait for it."""
        with self._lock:
            self._forget()
            self._process.wait()

    def _launch(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            # By its path, isolated: it starts in milliseconds, whatever the packages import.
            [sys.executable, "-I", "-S", watchdog.__file__],
            cwd="/",
            env={"PATH": os.defpath},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=self._keep_open,
            text=True,
        )

    def _send(self, line: str) -> None:
        pipe = self._process.stdin
        try:
            if pipe is not None:
                pipe.write(line)
                pipe.flush()
        except BrokenPipeError:
            self._replace()

    def _replace(self) -> None:
        self._forget()
        self._process = self._launch()
        for charge in self._charges.values():
            self._send(charge.line())

    def _forget(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            if self._process.stdin is not None:
                self._process.stdin.close()
