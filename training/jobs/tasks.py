"""Celery tasks of runs: the doorbell's other end."""

from __future__ import annotations

import uuid

from celery import shared_task

from tenants.scoping.task import SystemTask, TenantTask
from training.jobs import services, supervisor


@shared_task(name="runs.execute", base=TenantTask, queue="training", acks_late=False)
def execute(*, tenant_id: str, run_id: str) -> None:
    """Do one attempt of a run; a second delivery finds nothing to take."""
    supervisor.execute(tenant_id=uuid.UUID(tenant_id), run_id=uuid.UUID(run_id))


@shared_task(name="runs.reap", base=SystemTask, queue="system")
def reap() -> int:
    """Recover runs whose worker is gone."""
    return services.run_reap()


@shared_task(name="runs.sweep", base=SystemTask, queue="system")
def sweep() -> int:
    """Ring again for runs that wait."""
    return services.run_sweep()
