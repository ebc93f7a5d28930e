"""Running the parsing child: a stranger's file never enters this process as more than lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog

from training.datasets.readers import FileRefused

INSPECT_SECONDS = 60
BYTES_A_SECOND = 1024**2
"""The slowest the parser may be before it is stopped."""
_PIPE_BYTES = 1024**2
"""Room for the next batch or two, so that the child parses while we store."""

logger = structlog.get_logger(__name__)


def cpu_seconds(size: int) -> int:
    """Return the processor time that parsing `size` bytes may take."""
    return 60 + size // BYTES_A_SECOND


def _environment() -> dict[str, str]:
    """Return what the child may know: where Python is, no address, no secret."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return {**kept, "PYTHONUTF8": "1"}


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
            env=_environment(),
        )
        with child:
            try:
                yield from _lines(child)
                status = child.wait()
            finally:
                child.kill()
        if status != 0:
            complaints.seek(0)
            tail = complaints.read()[-2000:].decode(errors="replace")
            logger.warning("parser_died", status=status, complaints=tail)
            raise FileRefused("parser_died")


def _lines(child: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    for line in child.stdout or ():
        answer: dict[str, Any] = json.loads(line)
        if "refused" in answer:
            raise FileRefused(answer["refused"], **answer["data"])
        yield answer
