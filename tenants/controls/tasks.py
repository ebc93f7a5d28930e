"""Celery tasks of the controls."""

from __future__ import annotations

from celery import shared_task

from tenants.controls.services import staff, suspensions
from tenants.scoping.task import SystemTask


@shared_task(name="controls.recheck", base=SystemTask, queue="system")
def recheck() -> int:
    """Close suspended tenants again, should it have failed; end sessions whose time is over."""
    return suspensions.suspensions_recheck() + staff.sessions_expire()
