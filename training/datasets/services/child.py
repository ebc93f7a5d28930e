"""Running the parsing child: a stranger's file never enters this process as more than lines."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog

from training.datasets.formats.records import FileRefused

BASE_SECONDS = 60
BYTES_A_SECOND = 5 * 1024**2
"""The slowest the parser may be, behind its first minute, before it is stopped."""
PACKED = 8
"""How much larger than itself a packed file is taken to be."""
_PIPE_BYTES = 1024**2
"""Room for the next batch or two, so that the child parses while we store."""
WALL_FACTOR = 2
"""How much longer than its processor time we wait for the child, when the machine is busy."""
_CHUNK = 1024**2
_PLACE = re.compile(r'^  File "([\w./-]+\.py)", line (\d+), in ([\w<>]+)$', re.MULTILINE)
_KIND = re.compile(
    r"^(a parser tried [\w.]+$|[A-Za-z_][\w.]*(?:Error|Exception)(?=:|$))", re.MULTILINE
)

logger = structlog.get_logger(__name__)


def cpu_seconds(size: int, filename: str = "") -> int:
    """Return the processor time that parsing a file of `size` bytes may take."""
    packed = filename.lower().endswith((".gz", ".zip", ".parquet", ".xlsx", ".xlsm", ".ods"))
    return BASE_SECONDS + size * (PACKED if packed else 1) // BYTES_A_SECOND


def environment(folder: Path) -> dict[str, str]:
    """Return what the child may know: where Python is and its own folder, no address, no secret."""
    names = ("LD_LIBRARY_PATH", "PATH", "PYTHONPATH")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {**kept, "PYTHONUTF8": "1", "POLARS_MAX_THREADS": "1", "TMPDIR": str(folder)}


def answers(mode: str, path: Path, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what `training.datasets.parse` says about the file at `path`.

    Raises:
        FileRefused: The child refused the file, or died of its limits (`parser_died`).
    """
    command = [sys.executable, "-m", "training.datasets.parse", mode, str(path)]
    with tempfile.TemporaryFile() as complaints:
        child = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [*command, json.dumps(options)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            pipesize=_PIPE_BYTES,
            stderr=complaints,
            cwd=path.parent,
            env=environment(path.parent),
        )
        with child:
            try:
                yield from _answers(child, WALL_FACTOR * int(options["cpu_seconds"]))
                status = child.wait()
            finally:
                child.kill()
        if status != 0:
            complaints.seek(0)
            where = death_of(complaints.read()[-20_000:].decode(errors="replace"))
            logger.warning("parser_died", status=status, where=where)
            raise FileRefused("parser_died")


def death_of(complaints: str) -> list[str]:
    """Return what a child died of, and where: the messages may hold pieces of a customer's text."""
    places = [f"{path}:{line} {name}" for path, line, name in _PLACE.findall(complaints)]
    return [*places[-8:], *_KIND.findall(complaints)[-1:]]


def _answers(child: subprocess.Popen[bytes], seconds: float) -> Iterator[dict[str, Any]]:
    for line in _lines(child, seconds):
        answer: dict[str, Any] = json.loads(line)
        if "refused" in answer:
            raise FileRefused(answer["refused"], **answer["data"])
        yield answer


def _lines(child: subprocess.Popen[bytes], seconds: float) -> Iterator[bytes]:
    """Yield the child's lines; only the time that we wait for it counts.

    Raises:
        FileRefused: `parser_died`, when it let us wait for `seconds` altogether.
    """
    stream = child.stdout
    if stream is None:
        return
    waited = 0.0
    parts: list[bytes] = []
    while True:
        began = time.monotonic()
        ready, _, _ = select.select([stream], [], [], max(0.0, seconds - waited))
        waited += time.monotonic() - began
        if not ready:
            logger.warning("parser_too_slow", seconds=seconds)
            raise FileRefused("parser_died")
        data = os.read(stream.fileno(), _CHUNK)
        if not data:
            return
        *whole, rest = data.split(b"\n")
        for line in whole:
            yield b"".join([*parts, line])
            parts = []
        if rest:
            parts.append(rest)
