"""JSON Lines, and one JSON list read through a window: RFC 8259. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TextIO

from training.datasets import encodings
from training.datasets.formats.records import MAX_RECORD, Entry, Fault, FileRefused, Lines, shown

_BLANK = re.compile(r"[ \t\r\n\ufeff]*")


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
