"""What an operator may do to a tenant's run; every act stands in that tenant's audit trail."""

from __future__ import annotations

import uuid

from django.utils.translation import gettext_lazy as _

from billing import services as billing
from modelyard.core.errors import Conflict
from tenants import audit
from tenants.access import Actor
from tenants.controls.reasons import reason_clean
from tenants.models import User
from tenants.scoping.context import tenant_scope
from training.jobs import services as jobs
from training.jobs.models import Run
from training.jobs.types import Item
from training.jobs.views import STAFF


def staff_actor(*, user: User, tenant_id: uuid.UUID, request_id: str) -> Actor:
    """Return the operator as somebody who acts for the tenant, on its runs only."""
    return Actor(
        kind="staff",
        id=str(user.pk),
        tenant_id=tenant_id,
        permissions=frozenset({"runs.read", "runs.write"}),
        request_id=request_id,
    )


def run_requeue(*, actor: Actor, who: str, run_id: uuid.UUID, reason: str) -> Run:
    """Get a stuck run on; the tenant sees who did it and why on the run's page.

    Args:
        actor: The operator, for the tenant.
        who: Their name as the tenant reads it.
        run_id: Which.
        reason: Why, in words for the tenant.

    Raises:
        Invalid: There is no reason.
        NotFound: The actor's tenant has no such run.
        Conflict: It is not stuck.
        QuotaExceeded: The tenant has no training time left.
    """
    why = reason_clean(reason)
    told = Item(STAFF, {"act": "requeued", "who": who, "reason": why})
    with tenant_scope(actor.tenant_id):
        run = jobs.run_requeue(actor=actor, run_id=run_id, told=[told])
        audit.record(actor, "ops.run_requeued", run, who=who, reason=why)
        return run


def run_cancel(*, actor: Actor, who: str, run_id: uuid.UUID, reason: str) -> Run:
    """Stop a run: a queued one at once, one at work at its next step; with a reason as above.

    Raises:
        Invalid: There is no reason.
        NotFound: The actor's tenant has no such run.
        Conflict: It is over, or its model is being stored.
    """
    why = reason_clean(reason)
    told = Item(STAFF, {"act": "cancelled", "who": who, "reason": why})
    with tenant_scope(actor.tenant_id):
        run = jobs.run_cancel(actor=actor, run_id=run_id, told=[told])
        audit.record(actor, "ops.run_cancelled", run, who=who, reason=why)
        return run


def webhook_replay(*, event_id: str) -> None:
    """Process an event of Stripe again.

    Raises:
        Conflict: It was processed meanwhile, or never came.
    """
    if not billing.event_replay(event_id=event_id):
        raise Conflict(
            _("%(event)s is processed already, so there is nothing to replay.")
            % {"event": event_id},
            code="webhook_processed",
        )
