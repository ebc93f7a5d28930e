"""Order, cancel, download and sweep exports; the job itself is `exporting`."""

from __future__ import annotations

import datetime as dt
import uuid

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from modelyard.core import clock, queue, storage
from modelyard.core.errors import Conflict
from tenants import access, audit
from tenants.access import Actor
from tenants.rights import selectors
from tenants.rights.models import Export
from tenants.rights.states import EXPORT
from tenants.scoping.context import ops_scope, tenant_scope

MAX_ATTEMPTS = 3
LINK_SECONDS = 300

logger = structlog.get_logger(__name__)


def export_request(*, actor: Actor) -> Export:
    """Order an archive of everything the tenant has.

    Raises:
        Conflict: One is at work already.
    """
    access.require(actor, "data.export")
    try:
        with transaction.atomic():
            row = Export.objects.create(requested_by=f"{actor.kind}:{actor.id}")
    except IntegrityError as error:
        raise Conflict(
            _("An export is at work already. Wait for it, or cancel it first."),
            code="export_at_work",
        ) from error
    audit.record(actor, "export.requested", row)
    ring(row)
    created: Export = row
    return created


def ring(export: Export) -> None:
    """Ring for an export on commit."""
    queue.enqueue("rights.export", tenant_id=str(export.tenant_id), export_id=str(export.pk))


def export_cancel(*, actor: Actor, export_id: uuid.UUID) -> Export:
    """Stop an export: one at work ends at its next step, and nothing of it is kept.

    Raises:
        NotFound: There is none of that id here.
        Conflict: It is over.
    """
    access.require(actor, "data.export")
    row = selectors.export_get(export_id)
    if row.status == Export.Status.CANCELLED:
        return row
    EXPORT.require(row, Export.Status.CANCELLED, finished_at=clock.now(), lease_until=None)
    audit.record(actor, "export.cancelled", row)
    return row


def export_link(*, actor: Actor, export_id: uuid.UUID) -> str:
    """Return an address that downloads the archive for five minutes.

    Raises:
        NotFound: There is none of that id here.
        Conflict: It is not ready, or no longer kept.
    """
    access.require(actor, "data.export")
    row = selectors.export_get(export_id)
    if row.status != Export.Status.READY:
        raise Conflict(
            _("This export is %(state)s, so it can't be downloaded. Make a new one.")
            % {"state": row.get_status_display()},
            code="export_not_ready",
            state=row.status,
        )
    audit.record(actor, "export.downloaded", row)
    name = f"modelyard-export-{row.created_at:%Y-%m-%d}.zip"
    return storage.presign_get(row.storage_key, filename=name, seconds=LINK_SECONDS)


def exports_sweep() -> int:
    """Ring again for exports that lost their message or worker; remove those past their time."""
    now = clock.now()
    late = now - dt.timedelta(seconds=settings.RUN_SWEEP_AFTER_SECONDS)
    with ops_scope("rights.sweep"):
        waiting = Q(status="queued", created_at__lt=late) | Q(status="running", lease_until__lt=now)
        lost = list(Export.objects.filter(waiting))
        old = list(Export.objects.filter(status="ready", expires_at__lte=now))
        for row in lost:
            ring(row)
    for row in old:
        _expire(row)
    return len(lost) + len(old)


def _expire(row: Export) -> None:
    # First the object: a crash between the two is made good by the next sweep.
    storage.delete(row.storage_key)
    with tenant_scope(row.tenant_id):
        rows = Export.objects.filter(pk=row.pk)
        if EXPORT.advance(rows, Export.Status.EXPIRED, storage_key=""):
            audit.record(access.system(row.tenant_id), "export.expired", row)
