"""What all formats speak of: lines, cells, entries, faults, and how a file is to be read. Pure.

Reading streams: at most one record (4 MB) is in memory. A fault of one record is handed out as a
`Fault` and reading goes on; a fault of the whole file raises `FileRefused`.
"""

from __future__ import annotations

import io
import json
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple, TextIO

from training.datasets import encodings

MAX_RECORD = 4 * 1024**2
MAX_CELL = 1024**2
MAX_COLUMNS = 2_000
MAX_SHOWN = 200


class FileRefused(Exception):
    """The whole file can't be used; `code` names the sentence, `data` fills it."""

    def __init__(self, code: str, **data: object) -> None:
        """Keep code and data."""
        super().__init__(code)
        self.code = code
        self.data = data


@dataclass(frozen=True)
class Source:
    """How to read a file: what the user confirmed.

    Attributes:
        format: A name of `formats.FORMATS`.
        encoding: A key of `encodings.CODECS`; of no meaning for Parquet and spreadsheets.
        delimiter: One character; '' for files of a single column (CSV only).
        header: Whether the first record names the columns (CSV and spreadsheets).
        text: Name of the column that holds the text.
        label: Name of the column that holds the label, or None.
        keep: Names of the other columns that are kept; None keeps all.
        container: '' , `gzip` or `zip`.
        member: Which file of a zip, or which sheet of a workbook; '' is all, or the first.
        classes: Of columns whose values are numbers of classes: the names of the classes.
    """

    format: str
    encoding: str
    delimiter: str = ","
    header: bool = True
    text: str = ""
    label: str | None = None
    keep: Sequence[str] | None = None
    container: str = ""
    member: str = ""
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """Why one record isn't taken: where, what, and words for the sentence."""

    line: int
    column: str
    code: str
    value: str = ""
    detail: Mapping[str, object] = field(default_factory=dict)


def in_member(fault: Fault, member: str) -> Fault:
    """Say in a fault which file of an archive it is in."""
    column = f"{shown(member)}: {fault.column}" if fault.column else shown(member)
    return Fault(fault.line, column, fault.code, fault.value, fault.detail)


class Cells(NamedTuple):
    """A record without names (CSV, spreadsheets), and the line it starts on."""

    line: int
    cells: list[Any]


class Entry(NamedTuple):
    """A record with named values, and the line it starts on (Parquet: its number).

    `member` is the file of an archive of several that it is in.
    """

    line: int
    values: dict[str, object]
    member: str = ""


class Line(NamedTuple):
    """A physical line with its end; not `whole` when it was longer than a record may be."""

    number: int
    text: str
    whole: bool


def shown(value: object) -> str:
    """Return a value as a person may see it in a report: cut, and storable as text."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = text[: MAX_SHOWN + 1].rstrip("\r\n")
    text = text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
    return re.sub(r"[\x00\ud800-\udfff]", "\ufffd", text)


class Lines:
    """Physical lines (LF, CRLF or CR) with their numbers, and a way to hand lines back."""

    def __init__(self, stream: TextIO) -> None:
        """Read from `stream`, which must keep line ends as they are (`newline=""`)."""
        self._stream = stream
        self._returned: deque[Line] = deque()
        self._number = 0

    def next(self) -> Line | None:
        """Return the next line, or None at the end."""
        if self._returned:
            return self._returned.popleft()
        text = self._stream.readline(MAX_RECORD)
        if not text:
            return None
        self._number += 1
        whole = len(text) < MAX_RECORD or text[-1] in "\r\n"
        rest = text
        while rest and rest[-1] not in "\r\n":
            rest = self._stream.readline(MAX_RECORD)
            whole = whole and not rest
        return Line(self._number, text, whole)

    def give_back(self, lines: Sequence[Line]) -> None:
        """Have `lines` come again, in their order."""
        self._returned.extendleft(reversed(lines))


def column_names(cells: Sequence[str], *, header: bool) -> list[str]:
    """Return unique names for the columns; without a header they are numbered.

    Raises:
        FileRefused: `too_many_columns`.
    """
    if len(cells) > MAX_COLUMNS:
        raise FileRefused("too_many_columns", found=len(cells), most=MAX_COLUMNS)
    names: list[str] = []
    for number, cell in enumerate(cells, start=1):
        name = shown(cell).strip() if header else ""
        name = name or f"column {number}"
        names.append(name if name not in names else f"{name} ({number})")
    return names


def open_text(binary: BinaryIO, encoding: str, *, newline: str | None = "") -> io.TextIOWrapper:
    """Return the decoded stream; bytes that don't decode become `encodings.BAD`."""
    codec = encodings.CODECS[encoding]
    return io.TextIOWrapper(binary, encoding=codec, errors="modelyard.mark", newline=newline)
