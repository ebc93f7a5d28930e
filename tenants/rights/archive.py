"""A zip that is written while it is sent: one multipart upload, one part in memory.

ZIP64 with data descriptors (APPNOTE 6.3.10, 4.3.9), since sizes are known only afterwards; every
usual tool reads it. Rows are deflated; files are stored, since models and Parquet do not shrink.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Self

from modelyard.core import storage

PART_BYTES = 8 * 1024**2
PARTS_OF_A_SIZE = 1000
"""Parts grow by `PART_BYTES` every so many, so that S3's 10,000 parts hold 440 GB."""
CHUNK = 1 << 20
EPOCH = (1980, 1, 1, 0, 0, 0)

Report = Callable[[int], None]


def _silent(_bytes: int) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Member:
    """One file of the archive."""

    name: str
    bytes: int
    sha256: str


class _Parts(io.RawIOBase):
    """What the zip writes into: sends a part whenever enough has gathered."""

    def __init__(self, key: str, upload_id: str) -> None:
        """Keep where to send."""
        self._key, self._upload_id = key, upload_id
        self._buffer = bytearray()
        self.parts: list[storage.Part] = []
        self.total = 0

    def writable(self) -> bool:
        """Say yes; it can't seek, which makes the zip use data descriptors."""
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        """Gather, and send full parts."""
        self._buffer += data
        self.total += len(data)
        size = PART_BYTES * (1 + len(self.parts) // PARTS_OF_A_SIZE)
        while len(self._buffer) >= size:
            self._send(bytes(self._buffer[:size]))
            del self._buffer[:size]
        return len(data)

    def finish(self) -> None:
        """Send the rest."""
        if self._buffer or not self.parts:
            self._send(bytes(self._buffer))
            self._buffer.clear()

    def _send(self, data: bytes) -> None:
        number = len(self.parts) + 1
        self.parts.append(storage.multipart_put(self._key, self._upload_id, number, data))


class Archive:
    """A zip at `key`: `with Archive(key) as archive: archive.add(...)`.

    The object appears when the block ends well; an error throws the upload away.
    """

    def __init__(self, key: str) -> None:
        """Open the upload."""
        self.key = key
        self.upload_id = storage.multipart_create(key, content_type="application/zip")
        self._parts = _Parts(key, self.upload_id)
        self._zip = zipfile.ZipFile(self._parts, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        self.members: list[Member] = []

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._parts.total

    def add(
        self, name: str, chunks: Iterable[bytes], *, packed: bool = True, report: Report = _silent
    ) -> Member:
        """Write one file; `report` is called with the bytes of each chunk."""
        info = zipfile.ZipInfo(name, EPOCH)
        info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
        info.external_attr = 0o644 << 16
        total, digest = 0, hashlib.sha256()
        with self._zip.open(info, "w", force_zip64=True) as target:
            for chunk in chunks:
                target.write(chunk)
                digest.update(chunk)
                total += len(chunk)
                report(len(chunk))
        member = Member(name, total, digest.hexdigest())
        self.members.append(member)
        return member

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Join the parts, or throw them away."""
        if kind is not None:
            storage.multipart_abort(self.key, self.upload_id)
            return
        self._zip.close()
        self._parts.finish()
        storage.multipart_complete(self.key, self.upload_id, self._parts.parts)


def chunks_of(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield a stream's bytes, a chunk at a time."""
    while chunk := stream.read(CHUNK):
        yield chunk
