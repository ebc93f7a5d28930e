"""Signed addresses of images, for pages and programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelyard.core import storage

_ENDING = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}


def image_url(image: Mapping[str, Any]) -> str:
    """Return where a stored image (`Example.image`) can be read from, for 10 minutes."""
    name = f"{image['sha256'][:16]}.{_ENDING[image['type']]}"
    return storage.presign_get(image["key"], filename=name)


def thumb_url(image: Mapping[str, Any]) -> str:
    """Return where its thumbnail can be read from."""
    return storage.presign_get(f"{image['key']}.thumb", filename=f"{image['sha256'][:16]}.webp")
