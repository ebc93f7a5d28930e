"""What makes rows the same: hashes of content. Pure."""

from __future__ import annotations

import hashlib


def group_hash(text: str) -> str:
    """Return what examples with the very same text share."""
    return hashlib.sha256(text.encode()).hexdigest()


def content_hash(text: str, label: str | None) -> str:
    """Return what makes an example a true repeat of another: text and label."""
    mark = b"\x00" if label is None else b"\x01" + label.encode()
    return hashlib.sha256(text.encode() + mark).hexdigest()
