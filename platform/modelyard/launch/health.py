"""A container's health: `python -m modelyard.launch.health web 8000` or `... worker`.

Exit status 0 when the process beside it is well, else 1 and a sentence. It loads no Django, so
that asking costs nothing.
"""

from __future__ import annotations

import http.client
import os
import sys
import time
from pathlib import Path

STALE_SECONDS = 30.0
"""A worker touches its mark at every heartbeat, 2 s apart."""


def web(port: int) -> str:
    """Return what is wrong with the web process on `port` of this host; empty when it is well."""
    # Django answers only to its own names.
    host = os.environ.get("ALLOWED_HOSTS", "localhost").split(",")[0].strip().lstrip(".")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/livez", headers={"Host": host})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"Port {port} does not answer: {error}"
    finally:
        connection.close()
    return "" if status == 200 else f"Port {port} answers {status} to GET /livez as {host}."


def worker(mark: Path) -> str:
    """Return what is wrong with the worker whose mark is `mark`; empty when it is well."""
    if not mark.exists():
        return f"The worker is not ready yet: it has not made {mark}."
    age = time.time() - mark.stat().st_mtime
    return "" if age < STALE_SECONDS else f"The worker's last heartbeat was {age:.0f} s ago."


def main(arguments: list[str]) -> str:
    """Return what is wrong with what the arguments name; empty when it is well."""
    match arguments:
        case ["web", port] if port.isdigit():
            return web(int(port))
        case ["worker"]:
            return worker(Path(os.environ.get("MODELYARD_READY_FILE", "")))
        case _:
            return "usage: python -m modelyard.launch.health web PORT | worker"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) or 0)
