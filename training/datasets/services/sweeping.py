"""What the scheduler repairs: work whose worker died, and uploads that nobody ended."""

from __future__ import annotations

import datetime as dt
import re
import uuid

from django.conf import settings
from django.db.models import Q

from modelyard.core import clock, queue, storage
from tenants import access
from tenants.scoping.context import ops_scope
from training.datasets.models import (
    Change,
    DatasetExport,
    DatasetVersion,
    Deletion,
    Upload,
    Work,
)
from training.datasets.services.clearing import STOPPED
from training.datasets.services.uploads import upload_abandon

RECEIVING_HOURS = 24
"""Since the last part was signed: who sends a large file over a slow line is left alone."""
_OURS = re.compile(r"tenants/[0-9a-f-]{36}/uploads/[0-9a-f-]{36}/file")
_TASKS = {Upload.Status.VERIFYING: "datasets.inspect", Upload.Status.IMPORTING: "datasets.import"}
_VERSION_TASKS = {"freezing": "datasets.freeze", "deleting": "datasets.clear"}

_WORK: dict[type[Work], tuple[str, str]] = {
    Change: ("datasets.change", "change_id"),
    Deletion: ("datasets.delete", "deletion_id"),
    DatasetExport: ("datasets.export", "rows_export_id"),
}
"""The task of each kind of work, and the name by which it takes the row's id."""


def work_add(model: type[Work], task: str, id_name: str) -> None:
    """Have waiting and orphaned rows of this kind of work rung for again."""
    _WORK[model] = (task, id_name)


def sweep() -> int:
    """Ring again for work that waits too long, end stale uploads; return how many were found."""
    now = clock.now()
    waited = now - dt.timedelta(seconds=settings.RUN_SWEEP_AFTER_SECONDS)
    waiting = Q(lease_until=None, moved_at__lt=waited) | Q(lease_until__lt=now)
    with ops_scope("sweep of imports and freezes"):
        uploads = list(
            Upload.objects.filter(waiting, status__in=list(_TASKS)).values_list(
                "tenant_id", "id", "status"
            )
        )
        versions = list(
            DatasetVersion.objects.filter(waiting, status__in=list(_VERSION_TASKS)).values_list(
                "tenant_id", "id", "status"
            )
        )
        stale = list(
            Upload.objects.filter(
                status="receiving", moved_at__lt=now - dt.timedelta(hours=RECEIVING_HOURS)
            ).values_list("tenant_id", "id")
        )
        works = _sweep_work(waiting)
        leaving = list(
            Upload.objects.filter(status__in=STOPPED, lease_until__lt=now).values_list(
                "tenant_id", "id"
            )
        )
        for tenant_id, upload_id in leaving:
            _ring("datasets.clear_upload", tenant_id, upload_id=upload_id)
        for tenant_id, upload_id, status in uploads:
            _ring(_TASKS[Upload.Status(status)], tenant_id, upload_id=upload_id)
        for tenant_id, version_id, status in versions:
            _ring(_VERSION_TASKS[status], tenant_id, version_id=version_id)
    for tenant_id, upload_id in stale:
        upload_abandon(actor=access.system(tenant_id), upload_id=upload_id)
    return len(uploads) + len(versions) + len(stale) + len(leaving) + works


def _sweep_work(waiting: Q) -> int:
    count = 0
    for model, (task, id_name) in _WORK.items():
        rows = model.objects.filter(waiting, status__in=["waiting", "running", "undoing"])
        for tenant_id, row_id in rows.values_list("tenant_id", "id"):
            _ring(task, tenant_id, **{id_name: row_id})
            count += 1
    return count


def multiparts_sweep() -> int:
    """Throw away what the store keeps of uploads that no open row speaks of; return how many.

    Such parts are left when the store was out of reach as an upload was abandoned, or when a
    process died between opening the place and writing the row. A customer pays for them.
    """
    before = clock.now() - dt.timedelta(hours=RECEIVING_HOURS)
    old = [
        one
        for one in storage.unfinished_multiparts("tenants/")
        if one.since < before and _OURS.fullmatch(one.key)
    ]
    with ops_scope("sweep of parts that no upload speaks of"):
        rows = Upload.objects.filter(
            status="receiving", multipart_id__in=[o.upload_id for o in old]
        )
        kept = set(rows.values_list("multipart_id", flat=True))
    lost = [one for one in old if one.upload_id not in kept]
    for one in lost:
        storage.multipart_abort(one.key, one.upload_id)
    return len(lost)


def _ring(task: str, tenant_id: uuid.UUID, **ids: uuid.UUID) -> None:
    queue.enqueue(
        task, tenant_id=str(tenant_id), **{name: str(value) for name, value in ids.items()}
    )
