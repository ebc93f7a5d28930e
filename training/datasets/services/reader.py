"""Asking the child that reads strangers' HTML and XML; a fresh one when it dies."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import structlog

from training.datasets.collect.xml import Unreadable
from training.datasets.services.child import environment

ANSWER_SECONDS = 60.0
DOCUMENTS = 100
"""A child reads so many, then another takes over: its limit of time is for all of them."""
_CHUNK = 1024**2

logger = structlog.get_logger(__name__)


class Reader:
    """The keeper of one child; a context manager."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._child: subprocess.Popen[bytes] | None = None
        self._read = 0

    def __enter__(self) -> Reader:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the child."""
        self._end()

    def ask(self, kind: str, body: bytes, url: str = "", content_type: str = "") -> dict[str, Any]:
        """Return what the child reads in a document (see `collect.reading`).

        Raises:
            Unreadable: The document is of no use, or killed the child (`parser_died`).
        """
        if self._child is None or self._read >= DOCUMENTS:
            self._end()
            self._child = _started()
        self._read += 1
        asked = {"kind": kind, "url": url, "type": content_type}
        line = json.dumps({**asked, "body": base64.b64encode(body).decode()}) + "\n"
        answer = self._exchange(self._child, line.encode())
        if answer is None:
            logger.warning("reader_died", kind=kind, status=self._child.poll())
            self._end()
            raise Unreadable("parser_died")
        if "refused" in answer:
            raise Unreadable(str(answer["refused"]))
        return answer

    def _exchange(self, child: subprocess.Popen[bytes], line: bytes) -> dict[str, Any] | None:
        """Send a line, return the answer; None when the child died or is too slow."""
        if child.stdin is None or child.stdout is None:
            return None
        try:
            child.stdin.write(line)
            child.stdin.flush()
        except BrokenPipeError:
            return None
        answer = _line_of(child.stdout)
        return None if answer is None else json.loads(answer)

    def _end(self) -> None:
        child, self._child, self._read = self._child, None, 0
        if child is not None:
            child.kill()
            with child:
                pass


def _line_of(stream: IO[bytes]) -> bytes | None:
    parts: list[bytes] = []
    while True:
        ready, _, _ = select.select([stream], [], [], ANSWER_SECONDS)
        data = os.read(stream.fileno(), _CHUNK) if ready else b""
        if not data:
            return None
        parts.append(data)
        if data.endswith(b"\n"):
            return b"".join(parts)


def _started() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "training.datasets.collect.reading"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(Path(tempfile.gettempdir())),
    )
