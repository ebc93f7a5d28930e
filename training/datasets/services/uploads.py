"""An upload's way from the first byte to the start of its import.

Bytes go straight to the object store; these functions open their own short scopes around what
they write, so that no transaction is open while the store is asked.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import PurePath
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from billing import entitlements, plans
from modelyard.core import clock, ids, live, queue, storage
from modelyard.core.errors import Conflict, Invalid, NotFound, TooLarge
from tenants import access, audit
from tenants.access import Actor
from tenants.scoping.context import tenant_scope
from training.datasets import encodings, selectors
from training.datasets.models import Dataset, DatasetVersion, Example, Upload
from training.datasets.readers import Source
from training.datasets.states import UPLOAD

Status = Upload.Status


@dataclass(frozen=True)
class SignedPart:
    """Where a part of the file is PUT to."""

    number: int
    url: str


def topic(upload_id: uuid.UUID) -> str:
    """Return the live topic of an upload."""
    return f"upload:{upload_id}"


@dataclass(frozen=True)
class Opened:
    """A place in the store that parts can be sent to; no row speaks of it yet."""

    upload_id: uuid.UUID
    dataset_id: uuid.UUID
    filename: str
    size: int
    storage_key: str
    multipart_id: str


@contextmanager
def upload_open(
    *, actor: Actor, dataset_id: uuid.UUID, filename: str, size: int
) -> Iterator[Opened]:
    """Check a file of `size` bytes and open a place in the store, given back if the block fails.

    Raises:
        Invalid: `filename_missing`, `file_empty`.
        TooLarge: The file is larger than allowed.
        QuotaExceeded: The plan's storage is used up.
        NotFound: No such dataset.
    """
    access.require(actor, "data.write")
    name = PurePath(filename.replace("\\", "/")).name.replace("\x00", "").strip()[:255]
    _check_file(name, size)
    with tenant_scope(actor.tenant_id):
        dataset = selectors.dataset_get(dataset_id)
        entitlements.require(actor.tenant_id, plans.STORAGE_BYTES, size)
    upload_id = ids.new()
    key = storage.tenant_key(actor.tenant_id, "uploads", str(upload_id), "file")
    opened = Opened(upload_id, dataset.pk, name, size, key, storage.multipart_create(key))
    try:
        yield opened
    except BaseException:
        storage.multipart_abort(key, opened.multipart_id)
        raise


def upload_record(*, actor: Actor, opened: Opened) -> Upload:
    """Write the row of an upload whose place is open; needs an open scope."""
    access.require(actor, "data.write")
    upload: Upload = Upload.objects.create(
        id=opened.upload_id,
        dataset=selectors.dataset_get(opened.dataset_id),
        filename=opened.filename,
        bytes=opened.size,
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


def _check_file(name: str, size: int) -> None:
    if not name:
        raise Invalid(_("Give the file's name."), code="filename_missing")
    if size <= 0:
        raise Invalid(_("The file is empty. Choose another one."), code="file_empty")
    if size > settings.UPLOAD_MAX_BYTES:
        raise TooLarge(
            _("A file may have %(most)d MB. Split it and upload the parts one by one.")
            % {"most": settings.UPLOAD_MAX_BYTES // 1024**2},
            code="file_too_large",
            limit=settings.UPLOAD_MAX_BYTES,
        )


def part_count(upload: Upload) -> int:
    """Return how many parts the file is sent in."""
    return math.ceil(upload.bytes / settings.UPLOAD_PART_BYTES)


def upload_parts(
    *, actor: Actor, upload: Upload, numbers: Sequence[int] | None = None
) -> list[SignedPart]:
    """Return the URLs to PUT parts to; all of them unless `numbers` says which.

    Raises:
        Invalid: `part_number`.
        Conflict: The upload receives nothing any more.
    """
    access.require(actor, "data.write")
    count = part_count(upload)
    wanted = list(range(1, count + 1)) if numbers is None else list(numbers)
    if any(not 1 <= number <= count for number in wanted):
        raise Invalid(_("This file has the parts 1 to %(n)d.") % {"n": count}, code="part_number")
    if upload.status != Status.RECEIVING:
        raise _not_receiving(upload)
    sign = storage.multipart_sign
    return [
        SignedPart(number, sign(upload.storage_key, upload.multipart_id, number))
        for number in wanted
    ]


def _not_receiving(upload: Upload) -> Conflict:
    return Conflict(
        _("This upload takes no more parts: it is %(state)s. Start a new one.")
        % {"state": upload.get_status_display()},
        code="upload_state",
        state=upload.status,
    )


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
        _ring("datasets.inspect", upload)
    upload.refresh_from_db()
    return upload


def upload_finish(*, actor: Actor, upload_id: uuid.UUID) -> Upload:
    """Join the parts and have the file looked at; safe to repeat; raises as `upload_join`."""
    upload_join(actor=actor, upload_id=upload_id)
    with tenant_scope(actor.tenant_id):
        return upload_received(actor=actor, upload_id=upload_id)


def _join(upload: Upload) -> None:
    """Complete the multipart upload, unless an earlier try got so far."""
    try:
        parts = storage.multipart_parts(upload.storage_key, upload.multipart_id)
    except NotFound:
        facts = storage.facts(upload.storage_key)
        if facts is None or facts.bytes != upload.bytes:
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


def _ring(task: str, upload: Upload) -> None:
    queue.enqueue(task, tenant_id=str(upload.tenant_id), upload_id=str(upload.pk))
    live.publish(topic(upload.pk))


def upload_abandon(*, actor: Actor, upload_id: uuid.UUID) -> Upload:
    """Stop an upload or import at any moment before it is done; nothing of it stays.

    Safe to repeat: what the store still has of an abandoned upload is deleted again.

    Raises:
        Conflict: It is done already.
    """
    access.require(actor, "data.write")
    with tenant_scope(actor.tenant_id):
        # A parallel twin waits here, and then finds it abandoned.
        Upload.objects.select_for_update().filter(pk=upload_id).first()
        upload = selectors.upload_get(upload_id)
        if upload.status != Status.ABANDONED:
            UPLOAD.require(upload, Status.ABANDONED, moved_at=clock.now())
            Example.objects.filter(upload=upload).delete()
            audit.record(actor, "upload.abandoned", upload)
            live.publish(topic(upload.pk))
    if upload.multipart_id:
        storage.multipart_abort(upload.storage_key, upload.multipart_id)
    storage.delete_prefix(storage.tenant_key(upload.tenant_id, "uploads", str(upload.pk)) + "/")
    return upload


def upload_inspect_again(
    *,
    actor: Actor,
    upload_id: uuid.UUID,
    encoding: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
) -> Upload:
    """Look at the file again with what the user set by hand; needs an open scope.

    Raises:
        Invalid: `encoding_unknown`, `delimiter_unknown`.
        Conflict: The upload isn't waiting for its mapping.
    """
    access.require(actor, "data.write")
    upload = selectors.upload_get(upload_id)
    wish = {"encoding": encoding, "delimiter": delimiter, "header": header}
    _check_reading(wish)
    chosen = {name: value for name, value in wish.items() if value is not None}
    UPLOAD.require(
        upload,
        Status.VERIFYING,
        mapping=chosen,
        moved_at=clock.now(),
        attempt=0,
        lease_until=None,
    )
    audit.record(actor, "upload.reread", upload, filename=upload.filename, **chosen)
    _ring("datasets.inspect", upload)
    return upload


def _check_reading(wish: Mapping[str, object]) -> None:
    encoding, delimiter = wish.get("encoding"), wish.get("delimiter")
    if encoding is not None and encoding not in encodings.CODECS:
        raise Invalid(
            _("Choose one of these encodings: %(all)s.") % {"all": ", ".join(encodings.CODECS)},
            code="encoding_unknown",
        )
    if delimiter is not None and (len(str(delimiter)) > 1 or str(delimiter) in '"\r\n\x00'):
        raise Invalid(
            _("The delimiter is one character, such as a comma, or empty for a single column."),
            code="delimiter_unknown",
        )


def import_start(
    *,
    actor: Actor,
    upload_id: uuid.UUID,
    text: str,
    label: str | None,
    reading: Mapping[str, Any] | None = None,
) -> Upload:
    """Import the file with these columns; needs an open scope.

    Args:
        actor: Who.
        upload_id: Which; its status is `mapping`.
        text: Column that holds the text.
        label: Column that holds the label; None for unlabelled texts.
        reading: `encoding`, `delimiter`, `header`, where the guesses are wrong.

    Raises:
        Invalid: `column_missing`, `columns_same`, `encoding_unknown`, `delimiter_unknown`.
        Conflict: `upload_state`, or `freeze_running`.
    """
    access.require(actor, "data.write")
    upload = selectors.upload_get(upload_id)
    if upload.status != Status.MAPPING:
        raise Conflict(
            _("This upload is %(state)s, so its columns can't be set now.")
            % {"state": upload.get_status_display()},
            code="upload_state",
            state=upload.status,
        )
    changes = {name: value for name, value in (reading or {}).items() if value is not None}
    _check_reading(changes)
    guessed = Source(**upload.preview["source"])
    source = replace(guessed, **changes, text=text, label=label or None)
    as_seen = replace(guessed, text=text, label=source.label) == source
    _check_columns(source, upload.preview["columns"] if as_seen else None)
    Dataset.objects.select_for_update().get(pk=upload.dataset_id)
    if DatasetVersion.objects.filter(dataset=upload.dataset_id, status="freezing").exists():
        raise Conflict(
            _("A version of this dataset is being frozen. Import again in a moment."),
            code="freeze_running",
        )
    UPLOAD.require(
        upload,
        Status.IMPORTING,
        mapping=asdict(source),
        encoding=source.encoding,
        moved_at=clock.now(),
        attempt=0,
        lease_until=None,
    )
    audit.record(actor, "upload.mapped", upload, text=text, label=source.label)
    _ring("datasets.import", upload)
    return upload


def _check_columns(source: Source, columns: Sequence[str] | None) -> None:
    if source.text == source.label:
        raise Invalid(
            _("Text and label must be different columns. Choose again."), code="columns_same"
        )
    for name in (source.text, source.label):
        if name is not None and columns is not None and name not in columns:
            raise Invalid(
                _("The file has no column “%(name)s”. It has: %(all)s.")
                % {"name": name, "all": ", ".join(columns[:20])},
                code="column_missing",
                columns=list(columns[:200]),
            )
    if not source.text:
        raise Invalid(_("Choose the column that holds the text."), code="column_missing")
