"""The disposable child that parses a stranger's file: `python -m training.datasets.parse`.

It knows no database, no secret and no network address; it lives under the limits of `confinement`,
writes JSON lines to stdout, and dies with its reader (broken pipe).
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from training.datasets import checks, sniff
from training.datasets.confinement import confine
from training.datasets.formats.reading import entries
from training.datasets.formats.records import Fault, FileRefused, Source
from training.datasets.previews import Wish

BATCH_ROWS = 2_000
BATCH_CHARACTERS = 4 * 1024**2


def _say(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _inspect(path: Path, options: dict[str, Any]) -> None:
    with path.open("rb") as binary:
        wish = Wish(**options["wish"])
        _say(sniff.inspect(binary, options["filename"], wish, cut=bool(options["cut"])))


def _rows(path: Path, options: dict[str, Any]) -> None:
    source = Source(**options["source"])
    with path.open("rb") as binary:
        try:
            for batch in _batches(checks.rows(entries(binary, source), source)):
                _say(_batch(batch, binary))
        except UnicodeError as error:
            raise FileRefused("encoding_wrong", encoding=source.encoding) from error


def _batches(found: Iterable[checks.Row | Fault]) -> Iterator[list[checks.Row | Fault]]:
    """Cut the stream into lists of at most so many rows and so many characters."""
    stream = iter(found)
    for first in stream:
        batch, size = [first], _size(first)
        for one in itertools.islice(stream, BATCH_ROWS - 1):
            batch.append(one)
            size += _size(one)
            if size > BATCH_CHARACTERS:
                break
        yield batch


def _size(one: checks.Row | Fault) -> int:
    if isinstance(one, Fault):
        return len(one.value)
    return len(one.text) + (checks.measured(one.fields) if one.fields else 0)


def _batch(batch: list[checks.Row | Fault], binary: BinaryIO) -> dict[str, Any]:
    return {
        "rows": [[*one] for one in batch if isinstance(one, checks.Row)],
        "faults": [
            [one.line, one.column, one.code, one.value, dict(one.detail)]
            for one in batch
            if isinstance(one, Fault)
        ],
        "bytes": binary.tell(),
    }


def main(arguments: list[str]) -> int:
    """Run `inspect PATH OPTIONS` or `rows PATH OPTIONS` (OPTIONS: JSON); return the exit status."""
    mode, path, given = arguments
    options = json.loads(given)
    confine(int(options["cpu_seconds"]))
    try:
        {"inspect": _inspect, "rows": _rows}[mode](Path(path), options)
    except FileRefused as refusal:
        _say({"refused": refusal.code, "data": refusal.data})
    except MemoryError:
        _say({"refused": "parser_died", "data": {}})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
