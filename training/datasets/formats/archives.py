"""gzip and zip: each member a stream that is counted while it inflates; nothing is extracted. Pure.

A zip's names are only ever shown: no file of that name is made, so that `../x`, absolute names
and symlinks have no meaning here.
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from training.datasets.formats.records import FileRefused

MOST_MEMBERS = 1_000
MOST_IMAGES = 100_000
FREE_BYTES = 64 * 1024**2
RATIO = 100
PACKAGE_BYTES = 200 * 1024**2
_CHUNK = 1024**2
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, gzip.BadGzipFile)
_HIDDEN = ("__MACOSX/", "._", ".DS_Store", "Thumbs.db", "desktop.ini")


class Member(NamedTuple):
    """A file of a zip that may hold rows: its name, and its size when inflated."""

    name: str
    bytes: int


def refuse_bomb(inflated: int, packed: int) -> None:
    """Raise `FileRefused` (`bomb`) when far more comes out than went in."""
    if inflated > FREE_BYTES and inflated > RATIO * max(1, packed):
        raise FileRefused("bomb", ratio=RATIO)


class Counted(io.RawIOBase):
    """A stream that inflates another and is stopped when it grows out of proportion."""

    def __init__(self, inner: BinaryIO, packed: BinaryIO, size: int | None = None) -> None:
        """Read from `inner`; `packed` is where its bytes come from, `size` how many they are."""
        self._inner, self._packed, self._size, self._out = inner, packed, size, 0

    def readable(self) -> bool:
        """Return that this can be read."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill `buffer`; return the number of bytes.

        Raises:
            FileRefused: `bomb`, `archive_broken`.
        """
        try:
            data = self._inner.read(len(buffer))
        except BROKEN as error:
            raise FileRefused("archive_broken", why=str(error)[:200]) from error
        self._out += len(data)
        refuse_bomb(self._out, self._packed.tell() if self._size is None else self._size)
        buffer[: len(data)] = data
        return len(data)


def open_gzip(binary: BinaryIO) -> BinaryIO:
    """Return the inflated stream of a gzip file."""
    inner = gzip.GzipFile(fileobj=binary)
    return io.BufferedReader(Counted(inner, binary), _CHUNK)  # type: ignore[arg-type]


def open_zip(binary: BinaryIO, most: int = MOST_MEMBERS) -> zipfile.ZipFile:
    """Return the zip, its directory looked at.

    Args:
        binary: The file.
        most: Files that it may have.

    Raises:
        FileRefused: `archive_broken`, `too_many_members`, `archive_locked`.
    """
    try:
        archive = zipfile.ZipFile(binary)
    except (*BROKEN, OSError, ValueError, OverflowError) as error:
        raise FileRefused("archive_broken", why=str(error)[:200]) from error
    entries = archive.infolist()
    refuse_many(archive, most)
    if any(entry.flag_bits & 0x1 for entry in entries):
        raise FileRefused("archive_locked")
    return archive


def refuse_many(archive: zipfile.ZipFile, most: int) -> None:
    """Raise `FileRefused` (`too_many_members`) when a zip has more than `most` files."""
    found = len(archive.namelist())
    if found > most:
        raise FileRefused("too_many_members", found=found, most=most)


def is_junk(name: str) -> bool:
    """Tell whether a file is one that systems leave behind: it is no row, and no fault."""
    parts = name.replace("\\", "/").split("/")
    return any(part.startswith(".") and part not in {".", ".."} for part in parts) or (
        "__MACOSX" in parts or parts[-1] in _HIDDEN
    )


def members(archive: zipfile.ZipFile) -> list[Member]:
    """Return the files that may hold rows, in the order of their names."""
    found = [
        Member(entry.filename, entry.file_size)
        for entry in archive.infolist()
        if not entry.is_dir() and entry.file_size
    ]
    return sorted(one for one in found if not one.name.rsplit("/", 1)[-1].startswith(_HIDDEN[1:])
                  and not one.name.startswith(_HIDDEN[0]))  # fmt: skip


def open_member(archive: zipfile.ZipFile, name: str, binary: BinaryIO) -> BinaryIO:
    """Return the inflated stream of one file of a zip.

    Raises:
        FileRefused: `archive_broken`, `bomb`, `member_missing`.
    """
    try:
        entry = archive.getinfo(name)
        inner = archive.open(entry)
    except KeyError as error:
        raise FileRefused("member_missing", member=name[:200]) from error
    except (*BROKEN, OSError, ValueError, RuntimeError) as error:
        raise FileRefused("archive_broken", why=str(error)[:200]) from error
    refuse_bomb(entry.file_size, entry.compress_size)
    counted = Counted(inner, binary, entry.compress_size)  # type: ignore[arg-type]
    return io.BufferedReader(counted, _CHUNK)


def check_package(binary: BinaryIO) -> None:
    """Look through a zipped spreadsheet before a parser inflates it without asking.

    Raises:
        FileRefused: `sheet_too_large`, `bomb`, `sheet_broken`, and those of `open_zip`.
    """
    archive = open_zip(binary)
    entries = archive.infolist()
    inflated = sum(entry.file_size for entry in entries)
    if inflated > PACKAGE_BYTES:
        raise FileRefused("sheet_too_large", most=PACKAGE_BYTES // 1024**2)
    if inflated > FREE_BYTES // 8 and inflated > RATIO * sum(one.compress_size for one in entries):
        raise FileRefused("bomb", ratio=RATIO)
    for entry in entries:
        for chunk in _chunks(open_member(archive, entry.filename, binary)):
            if b"<!DOCTYPE" in chunk or b"<!ENTITY" in chunk:
                raise FileRefused("sheet_broken", why="it declares XML entities")
    binary.seek(0)


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk
