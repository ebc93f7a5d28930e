"""The scheduler's work of billing."""

from __future__ import annotations

from celery import shared_task

from billing import flush
from tenants.scoping.task import SystemTask


@shared_task(name="billing.flush_usage", base=SystemTask, queue="system")
def flush_usage() -> None:
    """Move buffered usage into the ledger; safe to run any number of times at once."""
    flush.flush()
