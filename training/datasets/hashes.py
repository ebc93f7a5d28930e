"""What makes rows the same: hashes of content. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

MARKS = ("spans", "tags")
"""The fields on parts of the text: `[[start, end, label], ...]`, or a tag a token."""


def group_hash(text: str) -> str:
    """Return what examples with the very same text share."""
    return hashlib.sha256(text.encode()).hexdigest()


def marks_of(fields: Mapping[str, Any] | None) -> list[Any] | None:
    """Return the labels of parts of the text, where a row's fields have some."""
    found = [fields.get(name) for name in MARKS] if fields else []
    return next((marks for marks in found if isinstance(marks, list)), None)


def subject_of(data: Mapping[str, Any]) -> str:
    """Return what a row is about: its text, or the very file of its image, whatever its name.

    No text holds U+0000, so none passes for an image.
    """
    image = data.get("image")
    return f"\x00image {image['sha256']}" if image else str(data["text"])


def data_group(data: Mapping[str, Any]) -> str:
    """Return what rows about the very same text or image share."""
    return group_hash(subject_of(data))


def data_hash(data: Mapping[str, Any], label: str | None) -> str:
    """Return the content hash of a row with this data and label."""
    return content_hash(subject_of(data), label, marks_of(data.get("fields")))


def content_hash(text: str, label: str | None, marks: list[Any] | None = None) -> str:
    """Return what makes an example a true repeat of another: text, label, labels of its parts.

    Other fields don't count: the same text with the same label under another id is a repeat.
    """
    mark = b"\x00" if label is None else b"\x01" + label.encode()
    if marks is not None:
        mark += b"\x02" + json.dumps(marks, separators=(",", ":")).encode()
    return hashlib.sha256(text.encode() + mark).hexdigest()
