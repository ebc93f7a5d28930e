"""Plain text: one row a line, taken as it is. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from training.datasets.formats.records import Entry, Fault, Lines, shown


def txt_records(lines: Lines) -> Iterator[Entry | Fault]:
    """Yield each line that isn't blank as the column `text`."""
    while (line := lines.next()) is not None:
        if not line.whole:
            yield Fault(line.number, "", "line_too_long", shown(line.text))
        elif line.text.strip():
            yield Entry(line.number, {"text": line.text.rstrip("\r\n")})
