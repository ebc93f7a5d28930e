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
