"""An upload from its first byte to the file that lies whole in the store.

Bytes go straight to the object store, in parts that were signed one by one; the store's list of
parts is the truth about what has arrived. No transaction is open while the store is asked.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from billing import amounts, entitlements, plans
from modelyard.core import clock, ids, live, queue, storage
from modelyard.core.errors import Conflict, Invalid, NotFound, QuotaExceeded
from tenants import access, audit
from tenants.access import Actor
from tenants.scoping.context import tenant_scope
from training.datasets import selectors
from training.datasets.models import Upload
from training.datasets.services.uploads import topic, upload_abandon
from training.datasets.states import UPLOAD
from training.datasets.types import Arrived

Status = Upload.Status
MAX_PARTS = 10_000
"""S3's limit (User Guide, "Multipart upload limits")."""
MIB = 1024**2


@dataclass(frozen=True)
class SignedPart:
    """Where a part of the file is PUT to; the signature holds for exactly `bytes` bytes."""

    number: int
    bytes: int
    url: str


@dataclass(frozen=True)
class Opened:
    """A place in the store that parts can be sent to; no row speaks of it yet."""

    upload_id: uuid.UUID
    dataset_id: uuid.UUID
    filename: str
    size: int
    fingerprint: str
    storage_key: str
    multipart_id: str


@contextmanager
def upload_open(
    *, actor: Actor, dataset_id: uuid.UUID, filename: str, size: int, fingerprint: str = ""
) -> Iterator[Opened]:
    """Check a file of `size` bytes and open a place in the store, given back if the block fails.

    Args:
        actor: Who.
        dataset_id: Where the rows will go.
        filename: As the person calls it.
        size: Bytes.
        fingerprint: What tells this file from others of its name, by which `upload_resume` finds
            the upload again; empty for an upload that is never resumed.

    Raises:
        Invalid: `filename_missing`, `file_empty`.
        TooLarge: `file_too_large`: the plan or this installation allows less.
        QuotaExceeded: The plan's storage has no room for it.
        NotFound: No such dataset.
    """
    access.require(actor, "data.write")
    name = _clean(filename)
    with tenant_scope(actor.tenant_id):
        dataset = selectors.dataset_get(dataset_id)
        _check_file(actor.tenant_id, name, size)
    upload_id = ids.new()
    key = storage.tenant_key(actor.tenant_id, "uploads", str(upload_id), "file")
    place = storage.multipart_create(key)
    try:
        yield Opened(upload_id, dataset.pk, name, size, fingerprint, key, place)
    except BaseException:
        storage.multipart_abort(key, place)
        raise


def upload_record(*, actor: Actor, opened: Opened) -> Upload:
    """Write the row of an upload whose place is open; needs an open scope.

    Raises:
        QuotaExceeded: Others took the room since it was opened: who records waits for who
            records before, so no two files share what is left.
    """
    access.require(actor, "data.write")
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"storage:{actor.tenant_id}"]
        )
    _check_room(actor.tenant_id, opened.filename, opened.size)
    upload: Upload = Upload.objects.create(
        id=opened.upload_id,
        dataset=selectors.dataset_get(opened.dataset_id),
        filename=opened.filename,
        bytes=opened.size,
        fingerprint=opened.fingerprint,
        storage_key=opened.storage_key,
        multipart_id=opened.multipart_id,
        moved_at=clock.now(),
    )
    audit.record(actor, "upload.started", upload, filename=upload.filename, bytes=upload.bytes)
    return upload


def upload_start(*, actor: Actor, dataset_id: uuid.UUID, filename: str, size: int) -> Upload:
    """Open an upload of `size` bytes, place and row; raises as `upload_open`."""
    place = upload_open(actor=actor, dataset_id=dataset_id, filename=filename, size=size)
    with place as opened, tenant_scope(actor.tenant_id):
        return upload_record(actor=actor, opened=opened)


def upload_resume(
    *, actor: Actor, dataset_id: uuid.UUID, filename: str, size: int, fingerprint: str
) -> tuple[Upload, Arrived] | None:
    """Return the upload of the same file that hasn't ended and what has arrived; None without one.

    A file that lies in the store, and waits for its columns or is being imported, has arrived
    whole. One whose place the store has lost is abandoned, so that the file starts anew.
    """
    access.require(actor, "data.write")
    with tenant_scope(actor.tenant_id):
        found = selectors.upload_same(dataset_id, _clean(filename), size, fingerprint)
    if found is None:
        return None
    if found.status != Status.RECEIVING:
        return found, _whole(found)
    try:
        return found, upload_arrived(actor=actor, upload=found)
    except NotFound:
        upload_abandon(actor=actor, upload_id=found.pk)
        return None


def _clean(filename: str) -> str:
    return PurePath(filename.replace("\\", "/")).name.replace("\x00", "").strip()[:255]


def _check_file(tenant_id: uuid.UUID, name: str, size: int) -> None:
    if not name:
        raise Invalid(_("Give the file's name."), code="filename_missing")
    if size <= 0:
        raise Invalid(_("The file is empty. Choose another one."), code="file_empty")
    _check_room(tenant_id, name, size)
    entitlements.require_file(tenant_id, name, size)


def _check_room(tenant_id: uuid.UUID, name: str, size: int) -> None:
    try:
        entitlements.require(tenant_id, plans.STORAGE_BYTES, size)
    except QuotaExceeded as refusal:
        sentence = _("%(name)s needs %(size)s of storage. %(why)s") % {
            "name": name,
            "size": amounts.short(plans.STORAGE_BYTES, size),
            "why": refusal.message,
        }
        data: Mapping[str, Any] = {**refusal.data, "needed": size}
        raise QuotaExceeded(sentence, **data) from refusal


def part_bytes(size: int) -> int:
    """Return how many bytes each part of a file of `size` bytes has; the last one may have less.

    8 MiB, and as many whole MiB as it takes to stay within S3's 10,000 parts.
    """
    return max(settings.UPLOAD_PART_BYTES, math.ceil(size / MAX_PARTS / MIB) * MIB)


def part_count(upload: Upload) -> int:
    """Return how many parts the file is sent in."""
    return math.ceil(upload.bytes / part_bytes(upload.bytes))


def _length(upload: Upload, number: int) -> int:
    each = part_bytes(upload.bytes)
    return min(each, upload.bytes - (number - 1) * each)


def upload_parts(
    *, actor: Actor, upload: Upload, numbers: Sequence[int] | None = None
) -> list[SignedPart]:
    """Return the URLs to PUT parts to; all of them unless `numbers` says which.

    What is checked at each signature: who asks, the upload's state, that the workspace is within
    its storage still, that the key lies below the workspace's own prefix, and the part's number.
    The part's size is signed with it, so that the store takes no other.

    Raises:
        Invalid: `part_number`.
        Conflict: The upload receives nothing any more.
        QuotaExceeded: The plan's storage has become smaller than what is stored.
    """
    access.require(actor, "data.write")
    count = part_count(upload)
    wanted = list(range(1, count + 1)) if numbers is None else list(numbers)
    if any(not 1 <= number <= count for number in wanted):
        raise Invalid(_("This file has the parts 1 to %(n)d.") % {"n": count}, code="part_number")
    if not upload.storage_key.startswith(storage.tenant_key(actor.tenant_id, "uploads") + "/"):
        raise _not_receiving(upload)
    with tenant_scope(actor.tenant_id):
        entitlements.require(actor.tenant_id, plans.STORAGE_BYTES, 0)
        rows = Upload.objects.filter(pk=upload.pk, status=Status.RECEIVING)
        # Whoever still asks for signatures still sends: the sweep leaves this upload alone.
        if not rows.update(moved_at=clock.now()):
            upload.refresh_from_db()
            raise _not_receiving(upload)
    return [_sign(upload, number) for number in wanted]


def _sign(upload: Upload, number: int) -> SignedPart:
    length = _length(upload, number)
    url = storage.multipart_sign(upload.storage_key, upload.multipart_id, number, length=length)
    return SignedPart(number, length, url)


def _not_receiving(upload: Upload) -> Conflict:
    return Conflict(
        _("This upload takes no more parts: it is %(state)s. Start a new one.")
        % {"state": upload.get_status_display()},
        code="upload_state",
        state=upload.status,
    )


def upload_empty(upload: Upload) -> Arrived:
    """Return what has arrived of an upload that was opened just now."""
    return Arrived(part_bytes(upload.bytes), part_count(upload), (), 0)


def upload_arrived(*, actor: Actor, upload: Upload) -> Arrived:
    """Ask the store which parts of an open upload it has.

    Raises:
        Conflict: The upload receives nothing any more.
        NotFound: `upload_gone`: the store has dropped it.
    """
    access.require(actor, "data.read")
    if upload.status != Status.RECEIVING:
        raise _not_receiving(upload)
    each, count = part_bytes(upload.bytes), part_count(upload)
    try:
        parts = storage.multipart_parts(upload.storage_key, upload.multipart_id)
    except NotFound:
        # An earlier finish joined them, and then lost its way to the row.
        if not _joined(upload):
            raise
        return _whole(upload)
    whole = [part for part in parts if part.bytes == _length(upload, part.number)]
    numbers = tuple(part.number for part in whole)
    return Arrived(each, count, numbers, sum(part.bytes for part in whole))


def _whole(upload: Upload) -> Arrived:
    count = part_count(upload)
    return Arrived(part_bytes(upload.bytes), count, tuple(range(1, count + 1)), upload.bytes)


def upload_join(*, actor: Actor, upload_id: uuid.UUID) -> None:
    """Join the parts in the store; safe to repeat, and no row changes.

    Raises:
        Invalid: `incomplete`: parts are missing; send them and finish again.
        Conflict: The upload was abandoned.
    """
    access.require(actor, "data.write")
    with tenant_scope(actor.tenant_id):
        upload = selectors.upload_get(upload_id)
    if upload.status == Status.ABANDONED:
        raise _not_receiving(upload)
    if upload.status == Status.RECEIVING:
        _join(upload)


def upload_received(*, actor: Actor, upload_id: uuid.UUID) -> Upload:
    """Have a joined file looked at; safe to repeat; needs an open scope.

    Raises:
        Conflict: The upload was abandoned.
    """
    access.require(actor, "data.write")
    upload = selectors.upload_get(upload_id)
    if upload.status == Status.ABANDONED:
        raise _not_receiving(upload)
    rows = Upload.objects.filter(pk=upload.pk, status=Status.RECEIVING)
    if UPLOAD.advance(rows, Status.VERIFYING, moved_at=clock.now(), multipart_id=""):
        audit.record(actor, "upload.received", upload, bytes=upload.bytes)
        queue.enqueue("datasets.inspect", tenant_id=str(upload.tenant_id), upload_id=str(upload.pk))
        live.publish(topic(upload.pk))
    upload.refresh_from_db()
    return upload


def upload_finish(*, actor: Actor, upload_id: uuid.UUID) -> Upload:
    """Join the parts and have the file looked at; safe to repeat; raises as `upload_join`."""
    upload_join(actor=actor, upload_id=upload_id)
    with tenant_scope(actor.tenant_id):
        return upload_received(actor=actor, upload_id=upload_id)


def _joined(upload: Upload) -> bool:
    facts = storage.facts(upload.storage_key)
    return facts is not None and facts.bytes == upload.bytes


def _join(upload: Upload) -> None:
    """Complete the multipart upload, unless an earlier try got so far."""
    try:
        parts = storage.multipart_parts(upload.storage_key, upload.multipart_id)
    except NotFound:
        if not _joined(upload):
            raise
        return
    missing = sorted({*range(1, part_count(upload) + 1)} - {part.number for part in parts})
    arrived = sum(part.bytes for part in parts)
    if missing or arrived != upload.bytes:
        raise Invalid(
            _("%(found)d of %(expected)d bytes arrived. Send the missing parts, then finish.")
            % {"found": arrived, "expected": upload.bytes},
            code="incomplete",
            missing=missing,
            received=arrived,
            expected=upload.bytes,
        )
    storage.multipart_complete(upload.storage_key, upload.multipart_id, parts)
