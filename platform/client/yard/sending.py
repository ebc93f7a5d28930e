"""A file's way to the object store: parts in parallel, tried again, never sent twice.

The server is the truth: it finds the open upload of the same file by a fingerprint, and says
which parts the store has. Nothing is kept beside the file.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yard.failures import Lost, Refused
from yard.wire import Api, pause

PARALLEL = 4
SIGNED_AT_ONCE = 25
GOOD_FOR = 50 * 60.0
PIECE = 1 << 18
MIB = 1 << 20


class _Over(Exception):
    """Another part failed for good: this one stops in the middle of its body."""


@dataclass(frozen=True)
class LocalFile:
    """A file as it was when the command began.

    Attributes:
        path: Where it lies.
        bytes: Its size.
        changed_ns: When it was last changed, in nanoseconds since 1970.
    """

    path: Path
    bytes: int
    changed_ns: int

    @classmethod
    def at(cls, path: Path) -> LocalFile:
        """Look at a file.

        Raises:
            Refused: `no_file`, `file_empty`.
        """
        try:
            facts = path.stat()
            with path.open("rb"):
                pass
        except OSError as error:
            raise Refused(
                f"{path} can't be read: {error.strerror}. Check the name.", code="no_file"
            ) from error
        if not facts.st_size:
            raise Refused(f"{path} is empty. Choose another file.", code="file_empty")
        return cls(path, facts.st_size, facts.st_mtime_ns)

    @property
    def fingerprint(self) -> str:
        """SHA-256, in hex, over name, size, time of change in ms, first and last MiB."""
        facts = f"{self.path.name}\n{self.bytes}\n{self.changed_ns // 1_000_000}\n"
        digest = hashlib.sha256(facts.encode("utf-8", "surrogateescape"))
        with self.path.open("rb") as stream:
            digest.update(stream.read(MIB))
            stream.seek(max(MIB, self.bytes - MIB))
            digest.update(stream.read(MIB))
        return digest.hexdigest()

    def require_unchanged(self) -> None:
        """Pass when the file is the one that the command began with.

        Raises:
            Refused: `file_changed`.
        """
        if LocalFile.at(self.path) != self:
            raise Refused(
                f"{self.path} changed while it was sent. Nothing was imported; push it again.",
                code="file_changed",
            )


class Sending:
    """One file on its way; `moved` is told how many of its bytes have arrived."""

    def __init__(
        self, api: Api, file: LocalFile, opened: dict[str, Any], moved: Callable[[int], None]
    ) -> None:
        """Keep what was opened; nothing is sent yet."""
        self._api, self._file, self._opened, self._moved = api, file, opened, moved
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._done: int = opened["received_bytes"]
        self._partly: dict[int, int] = {}
        self._urls: dict[int, tuple[str, float]] = {}
        self._keep(opened["parts"])

    def run(self) -> None:
        """Send every part that is missing.

        Raises:
            Lost: A part failed for longer than the tries last.
            Refused: The platform signs no more, or the file changed.
        """
        there = set(self._opened["received"])
        missing = [n for n in range(1, self._opened["part_count"] + 1) if n not in there]
        with ThreadPoolExecutor(PARALLEL) as pool:
            jobs = [pool.submit(self._send, number) for number in missing]
            try:
                wait(jobs, return_when=FIRST_EXCEPTION)
            finally:
                self._over.set()
                pool.shutdown(cancel_futures=True)
        for job in jobs:
            if not job.cancelled():
                job.result()
        self._file.require_unchanged()

    def _send(self, number: int) -> None:
        for attempt in range(self._api.tries):
            if attempt:
                time.sleep(pause(attempt))
            url = self._url(number)
            if self._over.is_set():
                return
            try:
                arrived = self._api.put(url, self._pieces(number), self._length(number))
            except _Over:
                return
            if arrived:
                self._count(number, 0, done=self._length(number))
                return
            self._count(number, 0)
        raise Lost(f"Part {number} of {self._file.path} can't be sent.")

    def _length(self, number: int) -> int:
        each: int = self._opened["part_bytes"]
        return min(each, self._file.bytes - (number - 1) * each)

    def _pieces(self, number: int) -> Iterator[bytes]:
        left = self._length(number)
        with self._file.path.open("rb") as stream:
            stream.seek((number - 1) * self._opened["part_bytes"])
            while left:
                if self._over.is_set():
                    raise _Over
                piece = stream.read(min(PIECE, left))
                if not piece:
                    self._file.require_unchanged()
                yield piece
                left -= len(piece)
                self._count(number, self._length(number) - left)

    def _count(self, number: int, partly: int, done: int = 0) -> None:
        with self._lock:
            self._partly[number] = partly
            self._done += done
            self._moved(self._done + sum(self._partly.values()))

    def _url(self, number: int) -> str:
        """Return where to PUT a part; each URL is used once, and some are fetched at a time."""
        with self._lock:
            url, until = self._urls.pop(number, ("", 0.0))
            if time.monotonic() < until:
                return url
            last = min(number + SIGNED_AT_ONCE - 1, self._opened["part_count"])
            numbers = [n for n in range(number, last + 1) if n not in self._urls]
            path = f"uploads/{self._opened['id']}/parts"
            self._keep(self._api.post(path, {"numbers": numbers})["parts"])
            return self._urls.pop(number)[0]

    def _keep(self, parts: list[dict[str, Any]]) -> None:
        until = time.monotonic() + GOOD_FOR
        self._urls |= {part["number"]: (part["url"], until) for part in parts}
