"""Uploads of pulls go on by themselves, once a person has mapped the columns of one like them."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from modelyard.core import clock, queue
from modelyard.core.errors import Conflict
from tenants import access
from tenants.scoping.context import ops_scope, tenant_scope
from training.datasets import connector_selectors, selectors
from training.datasets.models import Upload
from training.datasets.services.uploads import import_start

_READING = ("encoding", "delimiter", "header", "keep")
_PATIENCE = dt.timedelta(seconds=30)
_COLLECTED: dict[str, Any] = {"text": "text", "label": None}


def upload_go_on(*, tenant_id: uuid.UUID, upload_id: uuid.UUID) -> None:
    """Import an upload of a pull whose columns are known; leave any other for a person.

    Our own files have columns that we chose. A file's columns are known when an earlier file of
    its connector had the same ones and was mapped by a person.
    """
    with tenant_scope(tenant_id):
        upload = selectors.upload_get(upload_id)
        waits = upload.status == Upload.Status.MAPPING and not upload.error_code
        if not waits or upload.pull_id is None:
            return
        choice = _COLLECTED if upload.collected else _choice_of(upload)
        if choice is None:
            return
        try:
            import_start(actor=access.system(tenant_id), upload_id=upload.pk, **choice)
        except Conflict:
            # A version is being frozen; `uploads_go_on` asks again in a minute.
            return


def _choice_of(upload: Upload) -> dict[str, Any] | None:
    earlier = connector_selectors.upload_mapped_like(upload)
    if earlier is None:
        return None
    source = earlier.mapping
    reading = {name: source[name] for name in _READING if name in source}
    return {"text": source["text"], "label": source["label"], "reading": reading}


def upload_inspected(upload: Upload) -> None:
    """Have an upload that was looked at go on, if a pull brought it; needs an open scope."""
    if upload.pull_id is not None:
        _ring(upload)


def uploads_like_go_on(*, tenant_id: uuid.UUID, upload_id: uuid.UUID) -> None:
    """Have the others of a connector go on that wait for the columns of this one."""
    with tenant_scope(tenant_id):
        upload = selectors.upload_get(upload_id)
        if upload.pull_id is not None:
            for other in connector_selectors.uploads_waiting_like(upload):
                _ring(other)


def uploads_go_on() -> int:
    """Ring again for young uploads of pulls that wait: what kept them may be over.

    Returns:
        How many were rung for.
    """
    now = clock.now()
    young = {"moved_at__gt": now - dt.timedelta(hours=1), "moved_at__lt": now - _PATIENCE}
    with ops_scope("uploads of pulls that wait"):
        rows = Upload.objects.filter(status=Upload.Status.MAPPING, pull_id__isnull=False, **young)
        waiting = list(rows.order_by("moved_at")[:1_000])
        for upload in waiting:
            _ring(upload)
    return len(waiting)


def _ring(upload: Upload) -> None:
    queue.enqueue("datasets.go_on", tenant_id=str(upload.tenant_id), upload_id=str(upload.pk))
