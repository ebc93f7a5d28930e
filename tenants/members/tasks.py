"""Doorbells of invitations."""

from __future__ import annotations

import uuid

from celery import shared_task

from tenants.members.services import invitations
from tenants.scoping.context import ops_scope
from tenants.scoping.task import SystemTask


@shared_task(
    name="members.send_invitation",
    base=SystemTask,
    queue="default",
    autoretry_for=(OSError,),
    retry_backoff=2,
    retry_backoff_max=120,
    max_retries=8,
)
def send_invitation(*, invitation_id: str) -> None:
    """Write the mail of one invitation (a directory's row: no tenant's table is touched)."""
    invitations.invitation_send(invitation_id=uuid.UUID(invitation_id))


@shared_task(name="members.sweep", base=SystemTask, queue="system")
def sweep() -> None:
    """Ring for mails that have not left."""
    with ops_scope("invitations whose mail has not left"):
        invitations.sweep()
