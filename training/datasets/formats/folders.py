"""What the folders of a zip of images say: the label of each image, and its split. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
Folders = tuple[str, ...]


class Place(NamedTuple):
    """What an image's folders say of it; a split is kept as a tag."""

    label: str | None
    tags: tuple[str, ...] = ()


def places(paths: Sequence[str]) -> list[Place]:
    """Return the place of each image of a zip, in the order of their paths.

    A folder that all share is no label, unless it is the only one. Folders named for splits, where
    every image is in one, are splits. What is left is the label, folders in folders by `/`.
    """
    folders = [folders_of(path) for path in paths]
    root = _shared(folders)
    inner = [one[len(root) :] for one in folders]
    if root and not any(inner) and root[-1].lower() not in SPLITS:
        return [Place(_label(root[-1:]), _split_of(root[:-1])) for _one in inner]
    shared = _split_of(root)
    tops = {one[0].lower() for one in inner if one}
    if not shared and tops and tops <= SPLITS.keys():
        return [Place(_label(one[1:]), _split_of(one[:1])) for one in inner]
    return [Place(_label(one), shared) for one in inner]


def _shared(folders: Sequence[Folders]) -> Folders:
    """Return the folders that every path begins with."""
    if not folders:
        return ()
    least, most = min(folders), max(folders)
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(least, most, strict=False))
    return tuple(one for one, _other in same)


def folders_of(path: str) -> Folders:
    """Return the names of the folders that a member's path goes through."""
    parts = path.replace("\\", "/").split("/")[:-1]
    return tuple(part for part in parts if part not in {"", "."})


def leaves(path: str) -> bool:
    """Tell whether a path points out of the folder that it is unpacked into."""
    plain = path.replace("\\", "/")
    return plain.startswith("/") or plain[1:2] == ":" or ".." in plain.split("/")


def _split_of(folders: Folders) -> tuple[str, ...]:
    """Return the tag for the split that the last of these folders is named for, if it is."""
    split = SPLITS.get(folders[-1].lower()) if folders else None
    return (split,) if split else ()


def _label(folders: Folders) -> str | None:
    return "/".join(folders).strip() or None
