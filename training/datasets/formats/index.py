"""The index that an export of images carries: names, labels and tags, whatever folders can't say.

A line of JSON an image: `{"file", "name", "label", "tags"}`. An import believes it over the
folders, so that nothing is lost on the way out and back. Pure.
"""

from __future__ import annotations

import json
import re
import zipfile
from typing import NamedTuple

from training.datasets.formats import archives
from training.datasets.formats.pictures import ENDINGS, TYPES, kind_by_name
from training.datasets.formats.records import FileRefused

NAME = "modelyard.jsonl"
MOST_BYTES = 64 * 1024**2
MOST_NAME = 1_000
_MOST_TAGS, _TAG, _LABEL = 100, 64, 200
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
_UNSAFE = re.compile(r'[\x00-\x1f<>:"\\|?*]')
_ENDING = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}


class Told(NamedTuple):
    """What the index says of a file."""

    name: str
    label: str | None
    tags: tuple[str, ...]


def read(archive: zipfile.ZipFile) -> dict[str, Told]:
    """Return what a zip's index says of each file, {} without one.

    Raises:
        FileRefused: `index_wrong`, with the line.
    """
    if NAME not in archive.namelist():
        return {}
    line = 0
    try:
        with archive.open(NAME) as stream:
            lines = stream.read(MOST_BYTES).decode().splitlines()
        told = {}
        for text in lines:
            line += 1
            one = json.loads(text)
            told[str(one["file"])] = _told(one)
    except (
        *archives.BROKEN, OSError, ValueError, LookupError, TypeError, RuntimeError, RecursionError
    ) as error:  # fmt: skip
        raise FileRefused("index_wrong", line=line) from error
    return told


def _told(one: dict[str, object]) -> Told:
    name, label, tags = one["name"], one["label"], one["tags"]
    if not _fits(name, MOST_NAME) or not (label is None or _fits(label, _LABEL)):
        raise ValueError(name)
    if (
        not isinstance(tags, list)
        or len(tags) > _MOST_TAGS
        or not all(_fits(t, _TAG) for t in tags)
    ):
        raise ValueError(tags)
    return Told(str(name), None if label is None else str(label), tuple(tags))


def _fits(value: object, most: int) -> bool:
    """Tell whether a value is a text of use, short enough, that can be stored."""
    return (
        isinstance(value, str)
        and value.strip() != ""
        and len(value) <= most
        and not _UNSTORABLE.search(value)
    )


def line_of(path: str, told: Told) -> str:
    """Return a line of an index."""
    fields = {"file": path, "name": told.name, "label": told.label, "tags": told.tags}
    return json.dumps(fields, ensure_ascii=False) + "\n"


class Paths:
    """Gives each image of an export a path of its own, by split and label, safe to unpack."""

    def __init__(self) -> None:
        """Start with none given."""
        self._given: set[str] = set()

    def of(self, told: Told, kind: str, split: str | None) -> str:
        """Return the path of an image of media type `kind`."""
        folders = [*([split] if split else []), *(told.label or "").split("/")]
        stem, ending = _with_ending(told.name, kind)
        folder = "".join(f"{_safe(part)}/" for part in folders if part)
        path, number = f"{folder}{stem}{ending}", 2
        while path.lower() in self._given:
            path, number = f"{folder}{stem} ({number}){ending}", number + 1
        self._given.add(path.lower())
        return path


def _with_ending(name: str, kind: str) -> tuple[str, str]:
    """Return stem and ending of a file's name; the ending is that of what is in it."""
    stem, dot, ending = _safe(name).rpartition(".")
    if dot and TYPES.get(kind_by_name(name)) == kind and ending.lower() in ENDINGS:
        return stem[:120], dot + ending
    return (stem or ending)[:120], _ENDING[kind]


def _safe(part: str) -> str:
    """Return a part of a path that any system can unpack, and that no import takes for junk."""
    plain = _UNSAFE.sub("_", part).replace("/", "_").strip(". ")[:160] or "_"
    return f"_{plain}" if archives.is_junk(plain) else plain
