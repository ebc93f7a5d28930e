"""Who owns a state folder, and the record by which other processes find a running stack.

Light on purpose: settings may import it. The lock is the kernel's, so it cannot go stale; the
watchdog holds it too, until the last server of a dead owner is gone.
"""

import contextlib
import fcntl
import json
import os
import time
from pathlib import Path

from modelyard.embedded.errors import StackError
from modelyard.embedded.paths import StateFolder
from modelyard.embedded.secrets import write_private

_CLEAN_UP_WAIT_S = 40.0
_POLL_S = 0.05


def lock(folder: StateFolder) -> int:
    """Take a state folder; waits while a dead owner's servers are still being stopped.

    Returns:
        The file descriptor that holds the lock. Closing it is not enough to release the lock while
        the watchdog holds it as well: see `unlock`.

    Raises:
        StackError: `already_running`, or `still_stopping` after 40 s.
    """
    descriptor = os.open(folder.lock, os.O_RDWR)
    try:
        _take(folder, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def unlock(descriptor: int) -> None:
    """Give a state folder back, once everything in it has stopped."""
    os.truncate(descriptor, 0)
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def write(folder: StateFolder, *, env: dict[str, str], pids: dict[str, int]) -> None:
    """Say that the stack is ready and how to reach it."""
    record = {"pid": os.getpid(), "pids": pids, "env": env}
    write_private(folder.record, json.dumps(record, indent=2))


def running_env(state: Path) -> dict[str, str] | None:
    """The environment of the stack that runs on a state folder and is ready, else None."""
    folder = StateFolder(state.resolve())
    if not folder.record.exists() or not _is_locked(folder):
        return None
    try:
        record = json.loads(folder.record.read_text(encoding="utf-8"))
    except FileNotFoundError:  # it stopped just now
        return None
    return {str(key): str(value) for key, value in record["env"].items()}


def _is_locked(folder: StateFolder) -> bool:
    descriptor = os.open(folder.lock, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _take(folder: StateFolder, descriptor: int) -> None:
    until = time.monotonic() + _CLEAN_UP_WAIT_S
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            return
        _refuse_if_owned(folder, os.pread(descriptor, 20, 0))
        if time.monotonic() > until:
            raise StackError(
                "still_stopping",
                f"The servers of an earlier stack in {folder.root} are still stopping. "
                "Look for them with `ps`, then start again.",
            )
        time.sleep(_POLL_S)


def _refuse_if_owned(folder: StateFolder, owner: bytes) -> None:
    if not owner.strip().isdigit():
        return
    try:
        os.kill(int(owner), 0)
    except ProcessLookupError:
        return
    except PermissionError:
        pass  # alive, as another user
    raise StackError(
        "already_running",
        f"A stack already runs on {folder.root} (process {int(owner)}). Stop that one first, use "
        "it from here, or choose another state folder.",
    )
