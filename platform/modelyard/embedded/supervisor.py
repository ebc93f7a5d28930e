"""Runs the platform's own processes beside the stack: web, ops, workers, beat.

with until_signal(), Stack() as stack:
    run(processes, env=stack.env, guard=stack.guard, on_ready=announce)
"""

import contextlib
import http.client
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import FrameType, TracebackType
from typing import Self, TextIO
from urllib.parse import urlsplit

from modelyard.embedded.console import Console
from modelyard.embedded.guard import Guard
from modelyard.embedded.keeper import Keeper
from modelyard.embedded.processes import ProcessSpec

__all__ = ["ProcessSpec", "Supervisor", "http_answers", "run", "until_signal"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PROBE_TIMEOUT_S = 5.0


class Supervisor:
    """The platform's processes, ready inside a `with` block and stopped in order after it.

    Args:
        processes: What to run; all start side by side.
        env: Variables for all of them, over those of this process and under each one's own.
        guard: The stack's, so that one watchdog stops everything in order; own if None.
        output: Gets every line, prefixed.
    """

    def __init__(
        self,
        processes: Sequence[ProcessSpec],
        *,
        env: Mapping[str, str],
        guard: Guard | None = None,
        output: TextIO = sys.stdout,
    ) -> None:
        base = {**os.environ, "PYTHONUNBUFFERED": "1", **env}
        self._processes = [replace(spec, env={**base, **spec.env}) for spec in processes]
        self.console = Console([spec.name for spec in processes], output)
        self._guard, self._guard_is_own = guard or Guard(), guard is None
        self._keeper = Keeper(self._guard, say=self.console.say, on_line=self.console.line)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start all processes; returns when each is ready, then restarts what ends.

        Raises:
            StackError: `not_ready`, with the last lines of the process; nothing is left running.
        """
        try:
            self._keeper.together([partial(self._keeper.launch, spec) for spec in self._processes])
            self._keeper.watch()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop them by `stop_order`, each within its `stop_timeout`. Safe to repeat."""
        self._keeper.stop()
        if self._guard_is_own:
            self._guard.close()

    def pids(self) -> dict[str, int]:
        """Process ids by name."""
        return self._keeper.pids()


def run(
    processes: Sequence[ProcessSpec],
    *,
    env: Mapping[str, str],
    guard: Guard | None = None,
    on_ready: Callable[[Supervisor], None] | None = None,
    output: TextIO = sys.stdout,
) -> None:
    """Run the processes until this one is interrupted; call inside `until_signal`.

    Args:
        processes: What to run.
        env: Variables for all of them.
        guard: The stack's `guard`.
        on_ready: Called once, when every process is ready.
        output: Gets every line, prefixed.

    Raises:
        StackError: A process did not become ready.
        KeyboardInterrupt: The normal end, after all processes have stopped.
    """
    with Supervisor(processes, env=env, guard=guard, output=output) as supervisor:
        if on_ready is not None:
            on_ready(supervisor)
        threading.Event().wait()


@contextlib.contextmanager
def until_signal() -> Iterator[None]:
    """End the block in order on Ctrl-C, SIGTERM or a closed terminal.

    The first signal raises KeyboardInterrupt in the block, which ends here, when every `with`
    inside it is done. Further signals are ignored: stopping takes bounded time by itself.
    """
    came = threading.Event()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if not came.is_set():
            came.set()
            raise KeyboardInterrupt

    # A signal that is ignored already (nohup) stays ignored.
    previous = {
        number: signal.signal(number, interrupt)
        for number in _SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    except KeyboardInterrupt:
        if not came.is_set():
            raise
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def http_answers(url: str, *, status: int = 200) -> Callable[[], bool]:
    """A `ready` for a web process: whether a GET of a loopback URL has this status."""
    parts = urlsplit(url)

    def ready() -> bool:
        connection = http.client.HTTPConnection(
            parts.hostname or "127.0.0.1", parts.port, timeout=_PROBE_TIMEOUT_S
        )
        try:
            connection.request("GET", parts.path or "/")
            return connection.getresponse().status == status
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ready
