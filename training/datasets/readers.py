"""Records out of files: CSV and relatives, JSON Lines, a JSON list; each with its line.

Pure and streaming: at most one record (4 MB) is in memory. A fault of one record is handed
out as a `Fault` and reading goes on; a fault of the whole file raises `FileRefused`.
CSV: RFC 4180, with any of the usual delimiters and line ends. JSON: RFC 8259.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO

from training.datasets import encodings

MAX_RECORD = 4 * 1024**2
MAX_CELL = 1024**2
MAX_COLUMNS = 2_000
MAX_SHOWN = 200
SINGLE_COLUMN = ""
_UNUSED = "\x1f"
_BLANK = re.compile(r"[ \t\r\n\ufeff]*")
csv.field_size_limit(MAX_CELL)


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
        format: `csv`, `jsonl` or `json`.
        encoding: A key of `encodings.CODECS`.
        delimiter: One character; '' for files of a single column (CSV only).
        header: Whether the first record names the columns (CSV only).
        text: Name of the column that holds the text.
        label: Name of the column that holds the label, or None.
    """

    format: str
    encoding: str
    delimiter: str = ","
    header: bool = True
    text: str = ""
    label: str | None = None


@dataclass(frozen=True)
class Fault:
    """Why one record isn't taken: where, what, and words for the sentence."""

    line: int
    column: str
    code: str
    value: str = ""
    detail: Mapping[str, object] = field(default_factory=dict)


class Cells(NamedTuple):
    """A CSV record and the line it starts on."""

    line: int
    cells: list[str]


class Entry(NamedTuple):
    """A JSON object and the line it starts on."""

    line: int
    values: dict[str, object]


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


def csv_records(lines: Lines, delimiter: str) -> Iterator[Cells | Fault]:
    """Yield records and faults; after a fault, reading goes on at the next line."""
    while (first := lines.next()) is not None:
        if not first.whole:
            yield Fault(first.number, "", "line_too_long", shown(first.text))
        elif first.text.strip():
            yield _csv_record(first, lines, delimiter or _UNUSED)


def _csv_record(first: Line, lines: Lines, delimiter: str) -> Cells | Fault:
    """Parse the record that starts at `first`, taking further lines while a quote is open."""
    taken = [first]
    while True:
        try:
            texts = [one.text for one in taken]
            cells = next(csv.reader(texts, delimiter=delimiter, strict=True))
        except csv.Error as error:
            code = "cell_too_large" if "limit" in str(error) else "quote"
            still_open = "unexpected end" in str(error)
        else:
            return Cells(first.number, cells)
        if not still_open or not _take_until_quote(taken, lines):
            lines.give_back(taken[1:])
            detail = _open_cell(first, delimiter)
            return Fault(first.number, "", code, shown(first.text), detail)


def _take_until_quote(taken: list[Line], lines: Lines) -> bool:
    """Append lines up to one with a quote; False at the end of the file or of a cell's size."""
    size = sum(len(line.text) for line in taken)
    while size <= MAX_CELL and (following := lines.next()) is not None:
        taken.append(following)
        size += len(following.text)
        if not following.whole:
            return False
        if '"' in following.text:
            return True
    return False


def _open_cell(first: Line, delimiter: str) -> dict[str, object]:
    """Return the number (from 1) of the cell of the first line whose quote stays open."""
    try:
        next(csv.reader([first.text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end" in str(error):
            cells = next(csv.reader([first.text], delimiter=delimiter))
            return {"cell": len(cells)}
    return {}


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


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def jsonl_records(lines: Lines) -> Iterator[Entry | Fault]:
    """Yield one object a line."""
    while (line := lines.next()) is not None:
        text = line.text.strip().lstrip("\ufeff")
        if not line.whole:
            yield Fault(line.number, "", "line_too_long", shown(line.text))
        elif text:
            yield _jsonl_record(line.number, text)


def _jsonl_record(number: int, text: str) -> Entry | Fault:
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        code = "undecodable" if encodings.BAD in text else "bad_json"
        return Fault(number, "", code, shown(text), {"why": str(error)})
    if not isinstance(value, dict):
        return Fault(number, "", "not_object", shown(text))
    return Entry(number, value)


class JsonList:
    """The objects of one JSON list, read through a window that holds one object."""

    def __init__(self, stream: TextIO) -> None:
        """Read from `stream`, opened with translated line ends (`newline=None`)."""
        self._stream = stream
        self._decoder = json.JSONDecoder(parse_constant=_refuse_constant)
        self._window = ""
        self._at = 0
        self._line = 1
        self._ended = False

    def records(self) -> Iterator[Entry | Fault]:
        """Yield the objects.

        Raises:
            FileRefused: `json_not_list`, or `json_broken` with the line where it breaks.
        """
        if self._peek() != "[":
            raise FileRefused("json_not_list")
        self._move(self._at + 1)
        while (following := self._peek()) != "]":
            line = self._line
            if not following:
                raise FileRefused("json_broken", line=line)
            value = self._value()
            yield (
                Entry(line, value)
                if isinstance(value, dict)
                else Fault(line, "", "not_object", shown(value))
            )
            following = self._peek()
            if following == ",":
                self._move(self._at + 1)
            elif following != "]":
                raise FileRefused("json_broken", line=self._line)

    def _more(self) -> None:
        rest = self._window[self._at :]
        chunk = self._stream.read(max(65_536, len(rest)))
        self._ended = not chunk
        self._window, self._at = rest + chunk, 0

    def _move(self, to: int) -> None:
        self._line += self._window.count("\n", self._at, to)
        self._at = to

    def _peek(self) -> str:
        """Skip blanks; return the next character, or '' at the end."""
        while True:
            blank = _BLANK.match(self._window, self._at)
            self._move(blank.end() if blank else self._at)
            if self._at < len(self._window):
                return self._window[self._at]
            if self._ended:
                return ""
            self._more()

    def _value(self) -> object:
        while True:
            try:
                value, end = self._decoder.raw_decode(self._window, self._at)
                if end < len(self._window) or self._ended:
                    self._move(end)
                    return value
            except (ValueError, RecursionError) as error:
                if self._ended or len(self._window) - self._at > MAX_RECORD:
                    raise FileRefused("json_broken", line=self._line) from error
            self._more()


def open_text(binary: BinaryIO, encoding: str, *, newline: str | None = "") -> TextIO:
    """Return the decoded stream; bytes that don't decode become `encodings.BAD`."""
    codec = encodings.CODECS[encoding]
    return io.TextIOWrapper(binary, encoding=codec, errors="modelyard.mark", newline=newline)


def records(text: TextIO, source: Source) -> Iterator[Cells | Entry | Fault]:
    """Yield what a decoded file holds, as `source` says to read it."""
    if source.format == "json":
        yield from JsonList(text).records()
    elif source.format == "jsonl":
        yield from jsonl_records(Lines(text))
    else:
        yield from csv_records(Lines(text), source.delimiter)


def open_source(path: Path, source: Source) -> tuple[BinaryIO, TextIO]:
    """Open a file for `records`; the first stream's `tell` says how far reading is."""
    binary = path.open("rb")
    newline = None if source.format == "json" else ""
    return binary, open_text(binary, source.encoding, newline=newline)
