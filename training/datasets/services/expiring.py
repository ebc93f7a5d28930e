"""The files people uploaded go after the time that the workspace chose; their rows stay."""

from __future__ import annotations

import datetime as dt
import uuid

from django.utils.translation import gettext_lazy as _

from modelyard.core import storage
from tenants.rights import hooks
from tenants.rights.hooks import Rule
from tenants.scoping.context import tenant_scope
from training.datasets.models import Upload

AT_ONCE = 500
OVER = (Upload.Status.DONE, Upload.Status.REJECTED, Upload.Status.ABANDONED)


def uploads_expire(tenant_id: uuid.UUID, before: dt.datetime) -> int:
    """Remove raw files and lists of rejected rows of uploads that ended before; return how many."""
    count = 0
    while True:
        with tenant_scope(tenant_id):
            rows = Upload.objects.filter(status__in=OVER, moved_at__lt=before)
            found = list(rows.exclude(storage_key="").values_list("pk", flat=True)[:AT_ONCE])
        if not found:
            return count
        # First the files: a crash between the two is made good the next time.
        for upload_id in found:
            storage.delete_prefix(f"{storage.tenant_key(tenant_id, 'uploads', str(upload_id))}/")
        with tenant_scope(tenant_id):
            Upload.objects.filter(pk__in=found).update(storage_key="", rejects_key="")
        count += len(found)


hooks.rule_add(
    Rule(
        name="uploads",
        title=_("Uploaded files"),
        sentence=_(
            "The file as you sent it and its list of rejected rows are removed; the imported rows"
            " stay in the dataset."
        ),
        unit="days",
        usual=None,
        least=1,
        apply=uploads_expire,
    )
)
