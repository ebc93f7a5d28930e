"""One process of ours: how to start it, follow what it writes, and stop it with its group."""

import contextlib
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modelyard.embedded.guard import Guard
from modelyard.embedded.identity import Identity
from modelyard.embedded.watchdog import Charge

_TAIL_LINES = 25
_KILL_WAIT_S = 5.0


@dataclass(frozen=True)
class ProcessSpec:
    """What to run and how to treat it.

    Attributes:
        name: Shown before its lines and in messages.
        argv: The command line.
        env: Its environment, added to what the runner gives to all.
        ready: Says whether it does its work yet; None means that running is being ready.
        stop_signal: Asks it to end.
        stop_timeout: Seconds it gets before its whole group is killed.
        stop_order: Lower ones are gone before the next are asked.
        ready_timeout: Seconds from start until `ready` must have said yes.
        cwd: Working folder.
        log: File for its output; None hands the lines to the runner.
        identity: As whom it runs.
        leftovers: Files to remove when it has ended.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] | None = None
    stop_signal: int = signal.SIGTERM
    stop_timeout: float = 20.0
    stop_order: int = 0
    ready_timeout: float = 60.0
    cwd: Path = Path("/")
    log: Path | None = None
    identity: Identity = field(default_factory=Identity)
    leftovers: tuple[Path, ...] = ()


class Process:
    """A running `ProcessSpec`, in a session of its own, known to the watchdog.

    Args:
        spec: What to run.
        guard: The watchdog's owner side.
        on_line: Gets each line of output of a process without a log file.
    """

    def __init__(self, spec: ProcessSpec, guard: Guard, on_line: Callable[[str], None]) -> None:
        self.spec = spec
        self._guard = guard
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._on_line = on_line
        self._pump: threading.Thread | None = None
        self._popen = self._launch()
        guard.add(Charge(self.pid, spec.stop_signal, spec.stop_timeout, spec.stop_order))

    @property
    def pid(self) -> int:
        """Its process id, which is its group's and its session's too."""
        return self._popen.pid

    def poll(self) -> int | None:
        """Its exit status, or None while it runs; the first status seen also ends its group."""
        if self._popen.returncode is None and self._popen.poll() is not None:
            self._end_group()
        return self._popen.returncode

    def stop(self) -> int:
        """Ask it to end, kill its group if it does not in time; returns the exit status."""
        if self._popen.poll() is None:
            self._popen.send_signal(self.spec.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(self.spec.stop_timeout)
        self._end_group()
        status = self._popen.wait()
        if self._pump is not None:
            self._pump.join(_KILL_WAIT_S)
        return status

    def tail(self) -> str:
        """The last lines that it wrote."""
        if self.spec.log is not None:
            lines = self.spec.log.read_text(encoding="utf-8", errors="replace").splitlines()
            return "\n".join(lines[-_TAIL_LINES:])
        if self._pump is not None and self._popen.returncode is not None:
            self._pump.join(_KILL_WAIT_S)
        return "\n".join(self._tail)

    def _launch(self) -> subprocess.Popen[bytes]:
        spec = self.spec
        log = (
            subprocess.PIPE
            if spec.log is None
            else os.open(spec.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        )
        try:
            popen = subprocess.Popen(
                [*spec.identity.prefix, *spec.argv],
                cwd=spec.cwd,
                env=dict(spec.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **spec.identity.popen,
            )
        finally:
            if spec.log is not None:
                os.close(log)
        if spec.log is None:
            self._pump = threading.Thread(target=self._read, args=(popen,), daemon=True)
            self._pump.start()
        return popen

    def _read(self, popen: subprocess.Popen[bytes]) -> None:
        if popen.stdout is None:
            return
        with popen.stdout as output:
            for raw in output:
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                self._tail.append(line)
                self._on_line(line)

    def _end_group(self) -> None:
        # Also kills what a process that has ended left behind in its session.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._guard.remove(self.pid)
        for path in self.spec.leftovers:
            path.unlink(missing_ok=True)
