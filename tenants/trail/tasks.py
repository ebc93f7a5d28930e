"""Celery tasks: the sealer, which the scheduler rings every few seconds."""

from __future__ import annotations

from celery import shared_task

from tenants.scoping.task import SystemTask
from tenants.trail import services


@shared_task(name="trail.seal", base=SystemTask, queue="system")
def seal() -> int:
    """Seal the latest events of all tenants."""
    return services.trail_seal()


@shared_task(name="trail.sweep", base=SystemTask, queue="system")
def sweep() -> int:
    """Seal events whose transaction took longer than the sealer looks back."""
    return services.trail_seal(lag=services.FAR)
