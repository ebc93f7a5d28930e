"""Celery tasks of billing."""

from __future__ import annotations

import uuid

from celery import shared_task

from billing import flush, services
from tenants import access
from tenants.scoping.task import SystemTask, TenantTask


@shared_task(name="billing.flush_usage", base=SystemTask, queue="system")
def flush_usage() -> None:
    """Move buffered usage into the ledger; safe to run any number of times at once."""
    flush.flush()


@shared_task(name="billing.process_event", base=SystemTask, queue="system")
def process_event(*, event_id: str) -> None:
    """Find whose event of Stripe it is; only this step needs the operators' login."""
    services.event_route(event_id)


@shared_task(name="billing.sync_account", base=TenantTask, queue="billing")
def sync_account(*, tenant_id: str, event_id: str = "") -> None:
    """Bring a tenant's account up to what Stripe says now; any number of times, in any order."""
    services.account_sync(actor=access.system(uuid.UUID(tenant_id)), event_id=event_id)


@shared_task(name="billing.sweep_events", base=SystemTask, queue="system")
def sweep_events() -> int:
    """Ring again for events that wait."""
    return services.events_sweep()


@shared_task(name="billing.reconcile", base=SystemTask, queue="system")
def reconcile() -> int:
    """Compare every account with Stripe once a day."""
    return services.accounts_reconcile()
