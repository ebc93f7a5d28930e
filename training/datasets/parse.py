"""The disposable child that parses a stranger's file: `python -m training.datasets.parse`.

It knows no database, no secret and no network address; it lives under the limits of `confinement`,
writes JSON lines to stdout, and dies with its reader (broken pipe).
"""

from __future__ import annotations

import base64
import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from training.datasets import checks, sniff
from training.datasets.confinement import confine
from training.datasets.formats import IMAGES, image_zip
from training.datasets.formats.reading import entries
from training.datasets.formats.records import Fault, FileRefused, Source
from training.datasets.previews import Wish

BATCH_ROWS = 2_000
BATCH_CHARACTERS = 4 * 1024**2
BATCH_IMAGES = 100
BATCH_BYTES = 8 * 1024**2


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
        if source.format == IMAGES.name:
            for images in _image_batches(image_zip.read(binary, labelled=bool(source.label))):
                _say(images)
            return
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


def _image_batches(
    found: Iterable[tuple[image_zip.Taken | Fault, int]],
) -> Iterator[dict[str, Any]]:
    """Cut the stream into batches of at most so many members and, but for one image, bytes."""
    batch: dict[str, Any] = {"rows": [], "images": [], "faults": [], "bytes": 0}
    size = 0
    for one, done in found:
        batch["bytes"] = done
        if isinstance(one, Fault):
            batch["faults"].append(_fault(one))
        else:
            batch["images"].append(_image(one))
            size += len(one.picture.data)
        if size > BATCH_BYTES or len(batch["images"]) + len(batch["faults"]) >= BATCH_IMAGES:
            yield batch
            batch, size = {"rows": [], "images": [], "faults": [], "bytes": done}, 0
    if batch["images"] or batch["faults"]:
        yield batch


def _image(one: image_zip.Taken) -> dict[str, Any]:
    picture = one.picture
    return {
        "line": one.line,
        "name": one.name,
        "label": one.label,
        "tags": one.tags,
        "type": picture.type,
        "width": picture.width,
        "height": picture.height,
        "data": base64.b64encode(picture.data).decode(),
        "thumb": base64.b64encode(picture.thumb).decode(),
    }


def _size(one: checks.Row | Fault) -> int:
    if isinstance(one, Fault):
        return len(one.value)
    return len(one.text) + (checks.measured(one.fields) if one.fields else 0)


def _batch(batch: list[checks.Row | Fault], binary: BinaryIO) -> dict[str, Any]:
    return {
        "rows": [[*one] for one in batch if isinstance(one, checks.Row)],
        "faults": [_fault(one) for one in batch if isinstance(one, Fault)],
        "bytes": binary.tell(),
    }


def _fault(one: Fault) -> list[Any]:
    return [one.line, one.column, one.code, one.value, dict(one.detail)]


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
