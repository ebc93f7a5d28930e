"""Who works on an upload: a claim is a lease with an attempt number that fences later writes."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from django.db.models import F, Q

from modelyard.core import clock, live
from tenants import access, audit
from tenants.scoping.context import tenant_scope
from training.datasets import selectors
from training.datasets.models import Dataset, Upload
from training.datasets.services.clearing import clear_ring, lease_end, next_ring
from training.datasets.services.uploads import topic
from training.datasets.states import UPLOAD

MAX_ATTEMPTS = 3


class ClaimLost(Exception):
    """The upload was abandoned, or another worker has it."""


@dataclass(frozen=True)
class Claim:
    """One worker's right to work on one upload."""

    upload: Upload
    attempt: int

    @property
    def tenant_id(self) -> uuid.UUID:
        """The upload's tenant."""
        return self.upload.tenant_id

    def keep(self, **fields: object) -> None:
        """Renew the lease and write `fields`, inside an open scope.

        The row stays locked until the scope ends, so what the same transaction writes besides
        can't come after an abandon.

        Raises:
            ClaimLost: Write nothing more.
        """
        rows = Upload.objects.filter(
            pk=self.upload.pk, attempt=self.attempt, status=self.upload.status
        )
        if not rows.update(lease_until=lease_end(), **fields):
            raise ClaimLost

    def end(self, status: str, **fields: object) -> None:
        """Move the upload to `status`, write its audit row, and ring, inside an open scope."""
        self._end(status, None, **fields)
        next_ring(self.upload)

    def _end(self, status: str, lease: dt.datetime | None, **fields: object) -> None:
        self.keep(**fields)
        UPLOAD.require(self.upload, status, moved_at=clock.now(), lease_until=lease)
        audit.record(access.system(self.tenant_id), f"upload.{status}", self.upload)
        live.publish(topic(self.upload.pk))

    def reject(self, code: str, data: dict[str, object], **fields: object) -> None:
        """End as `rejected`: no row of this upload stays."""
        with tenant_scope(self.tenant_id):
            self._end(
                Upload.Status.REJECTED,
                lease_end(),
                error_code=code,
                error_data=data,
                rows_added=0,
                finished_at=clock.now(),
                **fields,
            )
            clear_ring(self.upload)


def _others_move(upload_id: uuid.UUID) -> bool:
    """Tell whether another upload moves rows of the same dataset; those who ask take turns."""
    datasets = Dataset.objects.filter(uploads=upload_id)
    for dataset in datasets.select_for_update():
        others = selectors.upload_moving(dataset.pk).exclude(pk=upload_id)
        return others.exclude(status="importing", lease_until=None).exists()
    return False


def claim(tenant_id: uuid.UUID, upload_id: uuid.UUID, status: str) -> Claim | None:
    """Claim the upload if it is in `status` and nobody has it; None otherwise.

    One file at a time is imported into a dataset, and none while rows of a stopped one are taken
    out: else a row could pass for a repeat of one that goes. The others are rung for later.
    An upload that was claimed too often in vain is rejected here, with a sentence.
    """
    now = clock.now()
    with tenant_scope(tenant_id):
        free = Q(lease_until=None) | Q(lease_until__lt=now)
        rows = Upload.objects.filter(free, pk=upload_id, status=status)
        if status == Upload.Status.IMPORTING and _others_move(upload_id):
            return None
        if not rows.update(attempt=F("attempt") + 1, lease_until=lease_end()):
            return None
        upload = Upload.objects.get(pk=upload_id)
    claimed = Claim(upload, upload.attempt)
    if upload.attempt > MAX_ATTEMPTS:
        claimed.reject("import_lost", {})
        return None
    return claimed
