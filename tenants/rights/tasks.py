"""Doorbells of data rights: each says what to do by id; the rows say whether it is still due."""

from __future__ import annotations

import uuid

from celery import shared_task

from tenants.rights.services import deletions, exporting, exports, mails, purging, retention
from tenants.scoping.task import SystemTask, TenantTask


@shared_task(name="rights.export", base=TenantTask, queue="default")
def export(*, tenant_id: str, export_id: str) -> None:
    """Write an archive."""
    exporting.export_run(tenant_id=uuid.UUID(tenant_id), export_id=uuid.UUID(export_id))


@shared_task(name="rights.purge", base=SystemTask, queue="system")
def purge(*, deletion_id: str) -> None:
    """Work on a deletion for some seconds."""
    purging.purge_run(deletion_id=uuid.UUID(deletion_id))


@shared_task(name="rights.mail_scheduled", base=SystemTask, queue="system")
def mail_scheduled(*, deletion_id: str) -> None:
    """Tell owners that their workspace will go."""
    mails.scheduled_mail(deletion_id=uuid.UUID(deletion_id))


@shared_task(name="rights.mail_cancelled", base=SystemTask, queue="system")
def mail_cancelled(*, deletion_id: str) -> None:
    """Tell owners that their workspace stays."""
    mails.cancelled_mail(deletion_id=uuid.UUID(deletion_id))


@shared_task(name="rights.mail_certificate", base=SystemTask, queue="system")
def mail_certificate(*, deletion_id: str) -> None:
    """Send a certificate."""
    mails.certificate_mail(deletion_id=uuid.UUID(deletion_id))


@shared_task(name="rights.sweep", base=SystemTask, queue="system")
def sweep() -> None:
    """Ring for what is due or was lost; remove exports past their time."""
    deletions.deletions_sweep()
    exports.exports_sweep()


@shared_task(name="rights.retain", base=SystemTask, queue="system")
def retain() -> None:
    """Ring for every tenant that lets something expire."""
    retention.retain_ring()


@shared_task(name="rights.retain_tenant", base=TenantTask, queue="default")
def retain_tenant(*, tenant_id: str) -> None:
    """Remove what one tenant no longer keeps, as far as workers may."""
    retention.retain_apply(tenant_id=uuid.UUID(tenant_id), by_ops=False)


@shared_task(name="rights.retain_trail", base=SystemTask, queue="system")
def retain_trail(*, tenant_id: str) -> None:
    """Remove what one tenant no longer keeps and no worker may remove."""
    retention.retain_apply(tenant_id=uuid.UUID(tenant_id), by_ops=True)
