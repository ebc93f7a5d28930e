"""A zip of folders of images: its directory gives names, labels and splits, then one image at a
time is read, counted while it inflates, and decoded. For the parsing child only.
"""

from __future__ import annotations

import base64
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, NamedTuple

from training.datasets import checks
from training.datasets.formats import IMAGES, archives, index, reading
from training.datasets.formats.folders import Place, leaves, places
from training.datasets.formats.pictures import (
    MOST_BYTES,
    THUMB,
    Picture,
    Unfit,
    kind_by_name,
    kind_of,
    picture_of,
)
from training.datasets.formats.records import Fault, FileRefused, Source, shown

NAME, FOLDER = "file", "folder"
"""What the two columns of such a zip are called."""
SOURCE = Source(IMAGES.name, "utf-8", header=False, text=NAME, label=FOLDER, container="zip")
LOOKED_AT = 24
SHOWN_IMAGES = 20
SHOWN_LABELS = 50
_PREVIEW = 160
_CLEARLY = 10
"""How many images there must be to each other file of rows, for a zip to be one of images."""
_UTF8 = 0x800


class Item(NamedTuple):
    """A member: its number, path, what is said of it (None: it is no image), and its name."""

    line: int
    entry: zipfile.ZipInfo
    path: str
    place: Place | None
    name: str


@dataclass(frozen=True)
class Taken:
    """An image that is to be stored, with the line (its number in the zip), name, label, tags."""

    line: int
    name: str
    label: str | None
    tags: tuple[str, ...]
    picture: Picture


def is_images(names: Sequence[str]) -> bool:
    """Tell whether a zip with these members is one of images."""
    names = [name for name in names if not archives.is_junk(name)]
    images = sum(bool(kind_by_name(name)) for name in names)
    if index.NAME in names:
        return True
    others = sum(bool(reading.carrier_by_name(name)) for name in names)
    return images > 0 and images >= _CLEARLY * others


def items(archive: zipfile.ZipFile) -> list[Item]:
    """Return the members, in the order of the zip, without what systems leave behind."""
    found = [(entry, _path(entry)) for entry in archive.infolist() if not entry.is_dir()]
    found = [one for one in found if not archives.is_junk(one[1]) and one[1] != index.NAME]
    images = [path for _entry, path in found if kind_by_name(path) and not leaves(path)]
    by_path = dict(zip(images, places(images), strict=True))
    told = index.read(archive)
    items = []
    for line, (entry, path) in enumerate(found, start=1):
        known = told.get(path)
        name = path.replace("\\", "/").rsplit("/", 1)[-1]
        if known is None or path not in by_path:
            items.append(Item(line, entry, path, by_path.get(path), name))
        else:
            items.append(Item(line, entry, path, Place(known.label, known.tags), known.name))
    return items


def _path(entry: zipfile.ZipInfo) -> str:
    """Return a member's path; one that doesn't say how it is written is UTF-8, GBK or CP437."""
    if entry.flag_bits & _UTF8 or entry.filename.isascii():
        return entry.filename
    raw = entry.filename.encode("cp437", errors="replace")
    for codec in ("utf-8", "gbk"):
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            continue
    return entry.filename


def read(binary: BinaryIO, *, labelled: bool = True) -> Iterator[tuple[Taken | Fault, int]]:
    """Yield each member as an image or a fault, and how many bytes of the zip are behind it.

    Raises:
        FileRefused: The zip can't be read any further.
    """
    archive = archives.open_zip(binary, archives.MOST_IMAGES)
    done = 0
    for item in items(archive):
        done += item.entry.compress_size
        yield _member(archive, item, THUMB, labelled=labelled), done


def _member(
    archive: zipfile.ZipFile, item: Item, thumb: int, *, labelled: bool = True
) -> Taken | Fault:
    try:
        place = _checked_place(item)
        picture = picture_of(_bytes(archive, item), thumb)
    except Unfit as unfit:
        size = f"{item.entry.file_size} B"
        return Fault(item.line, shown(item.path), unfit.code, size, unfit.detail)
    label = place.label if labelled else None
    return Taken(item.line, item.name[: index.MOST_NAME], label, place.tags, picture)


def _checked_place(item: Item) -> Place:
    """Return what the folders say.

    Raises:
        Unfit: `image_path`, `image_none`, `image_empty`, `image_bytes`, `label_too_long`.
    """
    if leaves(item.path):
        raise Unfit("image_path")
    if item.place is None:
        raise Unfit("image_none")
    if not item.entry.file_size:
        raise Unfit("image_empty")
    if item.entry.file_size > MOST_BYTES:
        raise Unfit("image_bytes", most=MOST_BYTES // 1024**2)
    label = item.place.label or ""
    if len(label) > checks.MAX_LABEL:
        raise Unfit("label_too_long", found=len(label), most=checks.MAX_LABEL)
    return item.place


def _bytes(archive: zipfile.ZipFile, item: Item) -> bytes:
    """Return an image's file; at most as many bytes as the directory says come out.

    Raises:
        Unfit: `image_damaged`, `image_kind`, `image_none`.
    """
    try:
        with archive.open(item.entry) as stream:
            data = stream.read(MOST_BYTES)
    except (*archives.BROKEN, OSError, ValueError, RuntimeError) as error:
        raise Unfit("image_damaged") from error
    kind, named = kind_of(data), kind_by_name(item.path)
    if not kind:
        raise Unfit("image_none")
    if kind != named:
        raise Unfit("image_kind", named=named, found=kind)
    return data


def look(binary: BinaryIO) -> dict[str, Any]:
    """Return what the mapping page shows of a zip of images; see `sniff.inspect`.

    Some images from all over the zip are decoded, and shown as they will be stored. `images`
    says how many there are, `labels` of which labels (at most 50), `splits` with which tags.

    Raises:
        FileRefused: `no_good_rows`, or the zip can't be read.
    """
    archive = archives.open_zip(binary, archives.MOST_IMAGES)
    whole = items(archive)
    step = max(1, len(whole) / LOOKED_AT)
    chosen = [whole[int(at * step)] for at in range(min(LOOKED_AT, len(whole)))]
    found = [_member(archive, item, _PREVIEW) for item in chosen]
    taken = [one for one in found if isinstance(one, Taken)]
    faults = [one for one in found if isinstance(one, Fault)]
    if not taken:
        raise FileRefused("no_good_rows", line=faults[0].line, row_code=faults[0].code)
    known = [item.place for item in whole if item.place is not None]
    labels = Counter(place.label for place in known)
    return {
        "source": asdict(SOURCE),
        "columns": [NAME, FOLDER],
        "facts": _facts(taken, labels, len(known)),
        "rows": [{"line": one.line, "cells": [one.name, one.label or ""]} for one in taken],
        "stored": [_stored(one) for one in taken[:SHOWN_IMAGES]],
        "faults": len(faults),
        "refused_rows": [
            [one.line, one.column, one.code, one.value, dict(one.detail)] for one in faults
        ],
        "looked_at": len(found),
        "members": [],
        "formats": [IMAGES.name],
        "images": len(known),
        "others": len(whole) - len(known),
        "unlabelled": labels.pop(None, 0),
        "label_count": len(labels),
        "labels": labels.most_common(SHOWN_LABELS),
        "splits": sorted(Counter(tag for one in known for tag in one.tags).items())[:SHOWN_LABELS],
    }


def _facts(
    taken: Sequence[Taken], labels: Counter[str | None], images: int
) -> list[dict[str, Any]]:
    named = images - labels[None]
    first = next((one.label for one in taken if one.label), "")
    return [
        {"filled": 1.0, "distinct": images, "example": shown(taken[0].name), "kind": "text"},
        {
            "filled": round(named / max(1, images), 3),
            "distinct": len(labels) - (None in labels),
            "example": shown(first),
            "kind": "category",
        },
    ]


def _stored(one: Taken) -> dict[str, Any]:
    picture = one.picture
    return {
        "line": one.line,
        "text": one.name,
        "label": one.label,
        "fields": {},
        "tags": list(one.tags),
        "image": {
            "thumb": base64.b64encode(picture.thumb).decode(),
            "type": picture.type,
            "width": picture.width,
            "height": picture.height,
            "bytes": len(picture.data),
        },
    }
