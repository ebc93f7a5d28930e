"""The scheduler's work on keys and stored answers."""

from __future__ import annotations

from celery import shared_task

from tenants import idempotency, services
from tenants.scoping.task import SystemTask


@shared_task(name="tenants.key_use_write", base=SystemTask, queue="system")
def key_use_write() -> None:
    """Write when keys were last used."""
    services.key_use_write()


@shared_task(name="tenants.key_copies_recheck", base=SystemTask, queue="system")
def key_copies_recheck() -> None:
    """Drop copies of keys that ended lately."""
    services.key_copies_recheck()


@shared_task(name="tenants.idempotency_purge", base=SystemTask, queue="system")
def idempotency_purge() -> None:
    """Forget answers older than a day."""
    idempotency.purge()
