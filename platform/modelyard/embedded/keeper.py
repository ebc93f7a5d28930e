"""Keeps a set of processes running: ready before use, restarted with back-off, stopped in order."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from modelyard.embedded.errors import StackError
from modelyard.embedded.guard import Guard
from modelyard.embedded.processes import Process, ProcessSpec

_POLL_S = 0.05
_WATCH_S = 0.25
_BACK_OFF_FIRST_S = 0.5
_BACK_OFF_LAST_S = 30.0
_STEADY_S = 60.0  # up for that long: the next failure starts again at the first back-off
_logger = logging.getLogger(__name__)


@dataclass
class _Kept:
    process: Process
    started: float = field(default_factory=time.monotonic)
    back_off: float = _BACK_OFF_FIRST_S
    due: float | None = None  # when to start it again; None while it runs


class Keeper:
    """Starts, watches and stops processes.

    Args:
        guard: Told of every process, so that none outlives this one.
        say: Gets a sentence whenever something happens that an operator wants to know.
        on_line: Gets the name and each line of output of processes without a log file.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        say: Callable[[str], None] = _logger.warning,
        on_line: Callable[[str, str], None] = lambda _name, _line: None,
    ) -> None:
        self._guard = guard
        self._say = say
        self._on_line = on_line
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None

    def launch(self, spec: ProcessSpec) -> None:
        """Start a process and wait until it is ready.

        Raises:
            StackError: `not_ready` when it ends or does not answer in time, with its last lines.
        """
        with self._lock:
            if self._stopping.is_set():
                raise StackError("stopping", f"{spec.name} was not started: the stack is stopping.")
            kept = _Kept(self._spawn(spec))
            self._kept[spec.name] = kept
        self._await_ready(kept.process)

    def together(self, jobs: Sequence[Callable[[], None]]) -> None:
        """Run jobs that launch processes side by side; the first failure stops everything."""
        with ThreadPoolExecutor(max(1, len(jobs))) as pool:
            try:
                for future in as_completed([pool.submit(job) for job in jobs]):
                    future.result()
            except BaseException:
                self.stop()  # the other jobs stop waiting for their processes
                raise

    def watch(self) -> None:
        """Restart from now on whatever ends by itself."""
        self._watcher = threading.Thread(target=self._watch, name="keeper", daemon=True)
        self._watcher.start()

    def pids(self) -> dict[str, int]:
        """The process id of each process, by name."""
        with self._lock:
            return {name: kept.process.pid for name, kept in self._kept.items()}

    def stop(self) -> None:
        """Stop everything, order by order; those of one order at the same time."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join()
        with self._lock:
            processes = [kept.process for kept in self._kept.values()]
            self._kept.clear()
        for order in sorted({process.spec.stop_order for process in processes}):
            group = [process for process in processes if process.spec.stop_order == order]
            with ThreadPoolExecutor(len(group)) as pool:
                for future in [pool.submit(process.stop) for process in group]:
                    future.result()

    def _spawn(self, spec: ProcessSpec) -> Process:
        return Process(spec, self._guard, lambda line: self._on_line(spec.name, line))

    def _await_ready(self, process: Process) -> None:
        spec = process.spec
        until = time.monotonic() + spec.ready_timeout
        while spec.ready is not None and not spec.ready():
            status = process.poll()
            if status is not None:
                raise _not_ready(process, f"ended with status {status} before it was ready")
            if self._stopping.is_set():
                raise StackError("stopping", f"{spec.name} was stopped before it was ready.")
            if time.monotonic() > until:
                raise _not_ready(process, f"was not ready after {spec.ready_timeout:.0f} s")
            time.sleep(_POLL_S)

    def _watch(self) -> None:
        while not self._stopping.wait(_WATCH_S):
            self._guard.revive()
            with self._lock:
                for kept in self._kept.values():
                    self._look_at(kept)

    def _look_at(self, kept: _Kept) -> None:
        now, spec = time.monotonic(), kept.process.spec
        if kept.due is None:
            status = kept.process.poll()
            if status is None:
                return
            if now - kept.started > _STEADY_S:
                kept.back_off = _BACK_OFF_FIRST_S
            kept.due = now + kept.back_off
            self._say(f"{spec.name} ended with status {status}; again in {kept.back_off:g} s.")
            kept.back_off = min(kept.back_off * 2, _BACK_OFF_LAST_S)
        elif now >= kept.due:
            kept.process = self._spawn(spec)
            kept.started, kept.due = now, None


def _not_ready(process: Process, what: str) -> StackError:
    return StackError("not_ready", f"{process.spec.name} {what}. Its last lines:\n{process.tail()}")
