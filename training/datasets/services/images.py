"""The files of images: stored before the rows that speak of them, gone with their upload.

An image lies under the id of the upload that brought it, by the SHA-256 of its own bytes, which is
taken here and not believed; a thumbnail lies beside it. Rows keep the key for good.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from billing import entitlements, plans
from modelyard.core import storage
from tenants.scoping.context import tenant_scope
from training.datasets.formats import archives, index
from training.datasets.formats.records import FileRefused
from training.datasets.models import Example, Upload
from training.datasets.services.claims import Claim
from training.datasets.services.clearing import IMAGES, STOPPED
from training.datasets.services.inserting import NewRow, hash_of

TYPES = frozenset({"image/jpeg", "image/png", "image/webp"})
_AT_ONCE = 8


@dataclass(frozen=True)
class Stored:
    """Rows whose images are in the store, and the bytes that were put there for them."""

    rows: list[NewRow] = field(default_factory=list)
    bytes: int = 0


def images_store(claimed: Claim, found: Sequence[Mapping[str, Any]]) -> Stored:
    """Put the images of a batch into the store, but for those the dataset has already.

    No scope may be open. What is put there goes again if the rows don't come.

    Args:
        claimed: The import.
        found: Images as the parsing child hands them over.

    Raises:
        QuotaExceeded: The plan's storage has no room for them; nothing was put.
        FileRefused: `parser_died`: the child says what it never does.
        ClaimLost: Somebody stopped the import.
    """
    if not found:
        return Stored()
    upload = claimed.upload
    files = [(base64.b64decode(one["data"]), base64.b64decode(one["thumb"])) for one in found]
    rows = [_row(upload, one, data) for one, (data, _thumb) in zip(found, files, strict=True)]
    hashes = [hash_of(row) for row in rows]
    with tenant_scope(claimed.tenant_id):
        claimed.keep()
        known = Example.objects.filter(dataset=upload.dataset_id, content_hash__in=hashes)
        there = set(known.values_list("content_hash", flat=True))
        new = {
            str((row.image or {})["key"]): (str((row.image or {})["type"]), *pair)
            for row, content, pair in zip(rows, hashes, files, strict=True)
            if content not in there
        }
        size = sum(len(data) + len(thumb) for _type, data, thumb in new.values())
        if size:
            entitlements.require(claimed.tenant_id, plans.STORAGE_BYTES, size)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _done in pool.map(_put, new, new.values()):
            continue
    return Stored(rows, size)


def _put(key: str, file: tuple[str, bytes, bytes]) -> None:
    kind, data, thumb = file
    storage.put_bytes(key, data, content_type=kind)
    storage.put_bytes(f"{key}.thumb", thumb, content_type="image/webp")


def _row(upload: Upload, one: Mapping[str, Any], data: bytes) -> NewRow:
    if one["type"] not in TYPES:
        raise FileRefused("parser_died")
    digest = hashlib.sha256(data).hexdigest()
    image = {
        "key": storage.tenant_key(upload.tenant_id, IMAGES, str(upload.pk), digest),
        "sha256": digest,
        "type": str(one["type"]),
        "width": int(one["width"]),
        "height": int(one["height"]),
        "bytes": len(data),
    }
    tags = sorted({str(tag) for tag in one["tags"]})
    return NewRow(int(one["line"]), str(one["name"]), one["label"], tags=tags, image=image)


def images_remove(tenant_id: uuid.UUID, upload_id: uuid.UUID) -> None:
    """Delete the images that an upload brought; needs no scope, safe to repeat."""
    storage.delete_prefix(f"{storage.tenant_key(tenant_id, IMAGES, str(upload_id))}/")


def images_forget(claimed: Claim) -> None:
    """Delete what an import stored after it was stopped; another worker's is left alone."""
    with tenant_scope(claimed.tenant_id):
        stopped = Upload.objects.filter(pk=claimed.upload.pk, status__in=STOPPED).exists()
    if stopped:
        images_remove(claimed.tenant_id, claimed.upload.pk)


def images_write(
    rows: Iterable[tuple[Example, str | None]], path: Path, *, step: Callable[[], None]
) -> int:
    """Write the images of rows as a zip of folders with an index; return how many.

    Args:
        rows: Each with its split, where it has one.
        path: Of the zip.
        step: Called with every image; raises to stop.

    Raises:
        FileRefused: `images_many`: more than an import takes.
        NotFound: A stored image is gone.
    """
    paths, count = index.Paths(), 0
    lines = path.with_suffix(".index")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        with lines.open("w", encoding="utf-8") as stream:
            for row, split in rows:
                step()
                count += 1
                if count >= archives.MOST_IMAGES:  # they grew in number since it was ordered
                    raise FileRefused("images_many", rows=count, most=archives.MOST_IMAGES - 1)
                image = row.image or {}
                told = index.Told(row.text, row.label, tuple(sorted({*row.tags, *_tag(split)})))
                place = paths.of(told, image["type"], split)
                archive.writestr(place, storage.get_bytes(image["key"]))
                stream.write(index.line_of(place, told))
        archive.write(lines, index.NAME)
    return count


def _tag(split: str | None) -> tuple[str, ...]:
    return (split,) if split else ()
