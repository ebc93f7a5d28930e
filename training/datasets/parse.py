"""The disposable child that parses a stranger's file: `python -m training.datasets.parse`.

It knows no database, no secret and no network address; it lives under limits of memory and
processor time, writes JSON lines to stdout, and dies with its reader (broken pipe).
"""

from __future__ import annotations

import itertools
import json
import resource
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from training.datasets import checks, sniff
from training.datasets.readers import Fault, FileRefused, Source, open_source, records

MEMORY_BYTES = 2 * 1024**3
BATCH_ROWS = 2_000
BATCH_CHARACTERS = 4 * 1024**2


def _say(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _inspect(path: Path, options: dict[str, Any]) -> None:
    with path.open("rb") as stream:
        sample = stream.read(sniff.SAMPLE_BYTES)
        cut = bool(options["cut"]) or bool(stream.read(1))
    wish = sniff.Wish(**options["wish"])
    _say(sniff.inspect(sample, options["filename"], wish, cut=cut))


def _rows(path: Path, options: dict[str, Any]) -> None:
    source = Source(**options["source"])
    binary, text = open_source(path, source)
    with binary, text:
        try:
            for batch in _batches(checks.rows(records(text, source), source)):
                _say(_batch(batch, binary))
        except UnicodeError as error:
            raise FileRefused("encoding_wrong", encoding=source.encoding) from error


def _batches(found: Iterable[checks.Row | Fault]) -> Iterator[list[checks.Row | Fault]]:
    """Cut the stream into lists of at most so many rows and so many characters."""
    stream = iter(found)
    for first in stream:
        batch, size = [first], 0
        for one in itertools.islice(stream, BATCH_ROWS - 1):
            batch.append(one)
            size += len(one.text) if isinstance(one, checks.Row) else len(one.value)
            if size > BATCH_CHARACTERS:
                break
        yield batch


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
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    seconds = int(options["cpu_seconds"])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    try:
        {"inspect": _inspect, "rows": _rows}[mode](Path(path), options)
    except FileRefused as refusal:
        _say({"refused": refusal.code, "data": refusal.data})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
