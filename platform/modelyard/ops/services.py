"""What an operator may do to a tenant's run; every act stands in that tenant's audit trail."""

from __future__ import annotations

import uuid

from tenants import audit
from tenants.access import Actor
from tenants.models import User
from tenants.scoping.context import tenant_scope
from training.jobs import services as jobs
from training.jobs.models import Run


def staff_actor(*, user: User, tenant_id: uuid.UUID, request_id: str) -> Actor:
    """Return the operator as somebody who acts for the tenant, on its runs only."""
    return Actor(
        kind="staff",
        id=str(user.pk),
        tenant_id=tenant_id,
        permissions=frozenset({"runs.read", "runs.write"}),
        request_id=request_id,
    )


def run_requeue(*, actor: Actor, run_id: uuid.UUID) -> Run:
    """Queue a failed (or lost) run again; its attempts are counted afresh.

    Raises:
        NotFound: The actor's tenant has no such run.
        Conflict: It has not failed.
        QuotaExceeded: The tenant has no training time left.
    """
    with tenant_scope(actor.tenant_id):
        run = jobs.run_retry(actor=actor, run_id=run_id)
        audit.record(actor, "ops.run_requeued", run)
        return run


def run_cancel(*, actor: Actor, run_id: uuid.UUID) -> Run:
    """Stop a run: a queued one at once, one at work at its next step.

    Raises:
        NotFound: The actor's tenant has no such run.
        Conflict: It is over, or its model is being stored.
    """
    with tenant_scope(actor.tenant_id):
        run = jobs.run_cancel(actor=actor, run_id=run_id)
        audit.record(actor, "ops.run_cancelled", run)
        return run
