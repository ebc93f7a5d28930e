"""Doorbells of the loops."""

from __future__ import annotations

import uuid

from celery import shared_task

from modelyard.core.errors import Unavailable
from tenants.scoping.task import TenantTask
from training.loops import services


@shared_task(
    name="loops.suggest",
    base=TenantTask,
    queue="default",
    autoretry_for=(Unavailable,),
    retry_backoff=1,
    retry_backoff_max=30,
    max_retries=8,
)
def suggest(*, tenant_id: str, project_id: str) -> None:
    """Ask a project's deployment about its next tasks."""
    services.suggest_run(tenant_id=uuid.UUID(tenant_id), project_id=uuid.UUID(project_id))


@shared_task(name="loops.measure", base=TenantTask, queue="training", acks_late=False)
def measure(*, tenant_id: str, gain_id: str) -> None:
    """Measure what augmented rows are worth; a second delivery finds nothing to take."""
    from training.loops.services.measuring import gain_measure  # noqa: PLC0415 - workers only

    gain_measure(tenant_id=uuid.UUID(tenant_id), gain_id=uuid.UUID(gain_id))
