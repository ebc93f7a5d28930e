"""The engine as a child process: started on a leash, read line by line, stopped for sure.

The leash is its standard input: when this process ends, however it ends, the pipe closes and
the child exits. A parent-death signal would not do: it fires when the starting *thread* ends.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

STDERR_TAIL = 4000
_PASSED_ON = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "TMPDIR", "TZ")


class Child:
    """One `python -m training.engine train --job` process (or another command of the engine).

    Args:
        work: Its folder: `job.json` is written there, standard error goes to `stderr.log`.
        job: The engine's job, JSON values only.
        grace: Seconds between SIGTERM (it writes a checkpoint) and SIGKILL.
        act: The engine's command: `train` or `trials`.
    """

    def __init__(
        self, *, work: Path, job: Mapping[str, Any], grace: float, act: str = "train"
    ) -> None:
        self._grace = grace
        self._stderr = work / "stderr.log"
        path = work / "job.json"
        path.write_text(json.dumps(job, ensure_ascii=False), encoding="utf-8")
        command = [sys.executable, "-P", "-m", "training.engine", act]
        with self._stderr.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program, our own arguments
                [*command, "--job", str(path), "--leash"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=work,
                env=_environment(),
                start_new_session=True,
                encoding="utf-8",
                errors="replace",
            )
        self._killer: threading.Timer | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def lines(self) -> Iterator[str]:
        """Yield what it prints, until it closes its output."""
        if self._process.stdout is not None:
            yield from self._process.stdout

    def stop(self) -> None:
        """Ask it to stop (SIGTERM); kill it after the grace. Safe to repeat, from any thread."""
        if self._killer is not None or self._process.poll() is not None:
            return
        self._process.terminate()
        self._killer = threading.Timer(self._grace, self.kill)
        self._killer.daemon = True
        self._killer.start()

    def kill(self) -> None:
        """Kill it and whatever it started, now."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Return its exit status once it has ended; below 0 is the signal that ended it."""
        return self._process.wait()

    def stderr_tail(self) -> str:
        """Return the end of what it wrote to standard error."""
        text = self._stderr.read_bytes()[-STDERR_TAIL:].decode("utf-8", errors="replace")
        return text.replace("\x00", "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._process.wait()
        if self._killer is not None:
            self._killer.cancel()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def _environment() -> dict[str, str]:
    """Return the child's environment: none of the platform's passwords is in it."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**kept, "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"}
