"""An upload's way from the whole file to the start of its import, and its end at any moment."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from django.utils.translation import gettext as _

from modelyard.core import clock, live, queue, storage
from modelyard.core.errors import Conflict, Invalid
from tenants import access, audit
from tenants.access import Actor
from tenants.scoping.context import tenant_scope
from training.datasets import encodings, selectors
from training.datasets.formats import FORMATS, IMAGES
from training.datasets.formats.records import Source
from training.datasets.models import Dataset, DatasetVersion, Upload
from training.datasets.services import clearing
from training.datasets.services.datasets import task_take
from training.datasets.states import UPLOAD

Status = Upload.Status


def topic(upload_id: uuid.UUID) -> str:
    """Return the live topic of an upload."""
    return f"upload:{upload_id}"


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
            moving = upload.status == Status.IMPORTING or upload.lease_until is not None
            lease = clearing.lease_end() if moving else None
            UPLOAD.require(upload, Status.ABANDONED, moved_at=clock.now(), lease_until=lease)
            clearing.clear_ring(upload)
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
    parts: Mapping[str, Any] | None = None,
) -> Upload:
    """Look at the file again with what the user set by hand; needs an open scope.

    `parts` may name `format`, `member`, `text`, `label` ('': none) and `keep` (columns).

    Raises:
        Invalid: `encoding_unknown`, `delimiter_unknown`.
        Conflict: The upload isn't waiting for its mapping.
    """
    access.require(actor, "data.write")
    upload = selectors.upload_get(upload_id)
    wish = {"encoding": encoding, "delimiter": delimiter, "header": header, **(parts or {})}
    _check_reading(wish)
    chosen = {name: value for name, value in wish.items() if value is not None}
    UPLOAD.require(
        upload,
        Status.VERIFYING,
        mapping=chosen,
        error_code="",
        error_data={},
        moved_at=clock.now(),
        attempt=0,
        lease_until=None,
    )
    said = {name: value for name, value in chosen.items() if isinstance(value, str | bool)}
    audit.record(actor, "upload.reread", upload, filename=upload.filename, **said)
    _ring("datasets.inspect", upload)
    return upload


def _check_reading(wish: Mapping[str, object]) -> None:
    if wish.get("format") not in {None, IMAGES.name, *FORMATS}:
        raise Invalid(
            _("Choose one of these formats: %(all)s.") % {"all": ", ".join(FORMATS)},
            code="format_unknown",
        )
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
        reading: `encoding`, `delimiter`, `header`, where the guesses are wrong; `keep`: names of
            the other columns that are kept, all without it.

    Raises:
        Invalid: `column_missing`, `columns_same`, `encoding_unknown`, `delimiter_unknown`.
        Conflict: `upload_state`, `task_differs` (images into a dataset of texts, or texts into
            one of images), or `freeze_running`.
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
    images = source.format == IMAGES.name
    as_seen = replace(guessed, text=text, label=source.label, keep=source.keep) == source
    _check_columns(source, upload.preview["columns"] if as_seen or images else None)
    if images and source.text != guessed.text:
        raise Invalid(
            _("Of a zip of images “%(name)s” is the text, and “%(label)s” or none the label.")
            % {"name": guessed.text, "label": guessed.label},
            code="column_missing",
        )
    dataset = Dataset.objects.select_for_update().get(pk=upload.dataset_id)
    task_take(dataset, images=images)
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
    if upload.pull_id is not None and actor.kind != "system":
        # Other files of the same pull may wait for the very same columns.
        _ring("datasets.mapped", upload)
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
