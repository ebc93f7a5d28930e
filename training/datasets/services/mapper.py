"""Running the engine that makes a map: a child process on a leash, for torch stays out of here."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings

from training.datasets.services.child import death_of, environment

SILENT_SECONDS = 1_800.0
"""How long the child may say nothing; placing 20,000 points takes about a minute."""
WAIT_SECONDS = 1.0
ENGINE: Sequence[str] = (sys.executable, "-P", "-m", "training.engine")
_CHUNK = 65_536

logger = structlog.get_logger(__name__)
Beat = Callable[[str, int, int], None]
"""Called at least every `WAIT_SECONDS` or so with the phase and how many of how many rows."""


class MapFailed(Exception):
    """The engine made no map; what it said is in the log."""


def lay_out(rows: Path, out: Path, beat: Beat) -> dict[str, Any]:
    """Have the engine make a map of `rows` in the folder `out`; return what `map.json` says.

    What `beat` raises ends the child.

    Raises:
        MapFailed: It ended without one.
    """
    threads = ("--threads", str(settings.RUN_THREADS))
    complaints = rows.with_name("stderr.log")
    with complaints.open("wb") as log:
        child = subprocess.Popen(  # noqa: S603 - our own program, our own arguments
            [*ENGINE, "map", str(rows), "--out", str(out), "--leash", *threads],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=rows.parent,
            env={**environment(rows.parent), "HF_HUB_OFFLINE": "1"},
        )
    said: dict[str, Any] = {}
    with child:
        try:
            for said in _events(child):
                if said["kind"] == "step":
                    beat(said["phase"], said["done"], said["total"])
            status = child.wait()
        finally:
            child.kill()
    if status != 0:
        where = death_of(complaints.read_bytes()[-20_000:].decode(errors="replace"))
        logger.warning("map_failed", status=status, said=said, where=where)
        raise MapFailed
    found: dict[str, Any] = json.loads((out / "map.json").read_text(encoding="utf-8"))
    return found


def _events(child: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """Yield what the child says, and its last word again while it is silent.

    Raises:
        MapFailed: It was silent for too long.
    """
    stream = child.stdout
    if stream is None:
        return
    rest, last, heard = b"", None, time.monotonic()
    while True:
        ready, _, _ = select.select([stream], [], [], WAIT_SECONDS)
        if not ready:
            if time.monotonic() - heard > SILENT_SECONDS:
                logger.warning("map_silent", seconds=SILENT_SECONDS)
                raise MapFailed
            if last is not None:
                yield last
            continue
        heard = time.monotonic()
        data = os.read(stream.fileno(), _CHUNK)
        if not data:
            return
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            if (said := _event(line)) is not None:
                last = said
                yield last


def _event(line: bytes) -> dict[str, Any] | None:
    """Read a line; what is no event is a complaint from before the engine began, for the log."""
    try:
        found: dict[str, Any] = json.loads(line)
    except ValueError:
        logger.warning("map_said", line=line[:2000].decode(errors="replace"))
        return None
    return found
