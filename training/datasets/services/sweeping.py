"""What the scheduler repairs: work whose worker died, and uploads that nobody ended."""

from __future__ import annotations

import datetime as dt
import uuid

from django.conf import settings
from django.db.models import Q

from modelyard.core import clock, queue
from tenants import access
from tenants.scoping.context import ops_scope
from training.datasets.models import DatasetVersion, Upload
from training.datasets.services.uploads import upload_abandon

RECEIVING_HOURS = 24
_TASKS = {Upload.Status.VERIFYING: "datasets.inspect", Upload.Status.IMPORTING: "datasets.import"}


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
            DatasetVersion.objects.filter(waiting, status="freezing").values_list("tenant_id", "id")
        )
        stale = list(
            Upload.objects.filter(
                status="receiving", moved_at__lt=now - dt.timedelta(hours=RECEIVING_HOURS)
            ).values_list("tenant_id", "id")
        )
        for tenant_id, upload_id, status in uploads:
            _ring(_TASKS[Upload.Status(status)], tenant_id, upload_id=upload_id)
        for tenant_id, version_id in versions:
            _ring("datasets.freeze", tenant_id, version_id=version_id)
    for tenant_id, upload_id in stale:
        upload_abandon(actor=access.system(tenant_id), upload_id=upload_id)
    return len(uploads) + len(versions) + len(stale)


def _ring(task: str, tenant_id: uuid.UUID, **ids: uuid.UUID) -> None:
    queue.enqueue(
        task, tenant_id=str(tenant_id), **{name: str(value) for name, value in ids.items()}
    )
