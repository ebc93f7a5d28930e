"""Stops every process of a stack when the process that owned it is gone, however it went.

Run by its path in a session of its own, before anything else; it imports the standard library
only. Its standard input is a pipe whose other end only the owner holds: the kernel closes that end
even on `kill -9`, and end of file is the call to clean up. Each line before it is a JSON object:
`{"op": "add", "pid", "signal", "timeout", "order"}` or `{"op": "remove", "pid"}`.
"""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

_POLL_S = 0.05
_CLEAN_UP_LIMIT_S = 8.0  # nobody waits for a clean stop any more, so it is cut short


@dataclass(frozen=True)
class Charge:
    """One process group to stop; the process id is the group's id too.

    Attributes:
        pid: The process, leader of its own session.
        signal: Asks it, and it alone, to end.
        timeout: Seconds it gets before the whole group is killed.
        order: Groups of a lower order are gone before the next order is asked.
    """

    pid: int
    signal: int
    timeout: float
    order: int

    def line(self) -> str:
        """The request that adds this process."""
        return json.dumps({"op": "add", **asdict(self)}) + "\n"


def read_charges(lines: Iterable[str]) -> list[Charge]:
    """Follow the owner's requests until it is gone; returns what it leaves behind."""
    charges: dict[int, Charge] = {}
    for line in lines:
        try:
            request = json.loads(line)
        except ValueError:
            continue  # the owner died in the middle of this line
        if request.pop("op") == "add":
            charges[request["pid"]] = Charge(**request)
        else:
            charges.pop(request["pid"], None)
    return list(charges.values())


def stop_all(charges: list[Charge]) -> None:
    """End the processes: order by order, politely first, then by force."""
    for order in sorted({charge.order for charge in charges}):
        group = [charge for charge in charges if charge.order == order]
        for charge in group:
            with contextlib.suppress(ProcessLookupError):
                os.kill(charge.pid, charge.signal)
        until = time.monotonic() + min(_CLEAN_UP_LIMIT_S, max(c.timeout for c in group))
        while time.monotonic() < until and any(_alive(charge.pid) for charge in group):
            time.sleep(_POLL_S)
        for charge in group:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(charge.pid, signal.SIGKILL)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    # Where nothing reaps orphans (a container without an init) the dead stay in the table.
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1] == b"Z"
    except OSError:
        return False


def main(requests: TextIO = sys.stdin) -> None:
    """Wait for the end of the owner, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    stop_all(read_charges(requests))


if __name__ == "__main__":
    main()
