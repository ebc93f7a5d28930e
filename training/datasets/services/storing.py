"""What a pull fetches goes to the object store part by part, and becomes an upload there.

The upload's id is made of the pull's and the item's, so that a second try after a crash writes over
the first one's file instead of beside it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.db import connection

from billing import entitlements, plans
from modelyard.core import clock, live, queue, storage
from tenants import access, audit
from training.datasets.models import Pull, Upload
from training.datasets.services.uploads import topic


@dataclass(frozen=True)
class Stored:
    """A file that lies whole in the store; no row speaks of it yet."""

    upload_id: uuid.UUID
    filename: str
    key: str
    size: int
    collected: bool = False


def upload_id_of(pull: Pull, address: str) -> uuid.UUID:
    """Return the id of the upload that this pull makes of an item."""
    return uuid.uuid5(pull.pk, address)


def key_of(pull: Pull, address: str) -> str:
    """Return where the file of an item goes."""
    return storage.tenant_key(pull.tenant_id, "uploads", str(upload_id_of(pull, address)), "file")


def stream_store(
    pull: Pull, address: str, filename: str, chunks: Iterable[bytes], keep: Callable[[], None]
) -> Stored:
    """Send a stream to the store; at most one part is in memory.

    Args:
        pull: Whose.
        address: The item's.
        filename: Under which the upload is shown.
        chunks: The bytes, limited by the caller.
        keep: Called with every part; raises to stop.
    """
    key = key_of(pull, address)
    place = storage.multipart_create(key)
    parts: list[storage.Part] = []
    size, waiting = 0, bytearray()
    try:
        for chunk in chunks:
            waiting += chunk
            size += len(chunk)
            keep()
            while len(waiting) >= settings.UPLOAD_PART_BYTES:
                part = bytes(waiting[: settings.UPLOAD_PART_BYTES])
                del waiting[: settings.UPLOAD_PART_BYTES]
                parts.append(storage.multipart_put(key, place, len(parts) + 1, part))
        if waiting or not parts:
            parts.append(storage.multipart_put(key, place, len(parts) + 1, bytes(waiting)))
        storage.multipart_complete(key, place, parts)
    except BaseException:
        storage.multipart_abort(key, place)
        raise
    return Stored(upload_id_of(pull, address), filename, key, size)


def file_store(pull: Pull, address: str, filename: str, path: Path) -> Stored:
    """Send a file that we wrote ourselves to the store."""
    key = key_of(pull, address)
    storage.put_file(key, path)
    size = path.stat().st_size
    return Stored(upload_id_of(pull, address), filename, key, size, collected=True)


def room(tenant_id: uuid.UUID) -> int:
    """Return how many bytes a file may have now: by the plan's file limit and by what is free."""
    most = entitlements.current(tenant_id).limits[plans.STORAGE_BYTES]
    limit = entitlements.file_limit(tenant_id)
    if most is None:
        return limit
    return min(limit, max(0, most - (entitlements.used(tenant_id, plans.STORAGE_BYTES) or 0)))


def stored_record(pull: Pull, stored: Stored) -> Upload:
    """Write the upload of a stored file and have it looked at; needs an open scope.

    Raises:
        QuotaExceeded: Others took the room in the meantime.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"storage:{pull.tenant_id}"]
        )
    entitlements.require(pull.tenant_id, plans.STORAGE_BYTES, stored.size)
    upload: Upload = Upload.objects.create(
        id=stored.upload_id,
        dataset_id=pull.connector.dataset_id,
        filename=stored.filename[:255],
        bytes=stored.size,
        storage_key=stored.key,
        status=Upload.Status.VERIFYING,
        moved_at=clock.now(),
        pull_id=pull.pk,
        collected=stored.collected,
    )
    audit.record(
        access.system(pull.tenant_id),
        "upload.received",
        upload,
        bytes=stored.size,
        connector=pull.connector.name,
    )
    queue.enqueue("datasets.inspect", tenant_id=str(upload.tenant_id), upload_id=str(upload.pk))
    live.publish(topic(upload.pk))
    return upload


def stored_forget(pull: Pull, address: str) -> None:
    """Delete a file that no upload speaks of; needs no scope."""
    folder = storage.tenant_key(pull.tenant_id, "uploads", str(upload_id_of(pull, address)))
    storage.delete_prefix(f"{folder}/")


def filename_of(path: str, otherwise: str) -> str:
    """Return the last word of a path, or `otherwise`."""
    return PurePosixPath(path).name.replace("\x00", "").strip()[:200] or otherwise
