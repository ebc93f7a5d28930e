"""Suspend a tenant, and let it go on."""

from __future__ import annotations

import datetime as dt
import uuid
from functools import partial

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from modelyard.core import clock
from modelyard.core.errors import Conflict
from tenants import audit
from tenants import selectors as tenants
from tenants.controls import hooks, selectors
from tenants.controls.models import Suspension
from tenants.controls.reasons import reason_clean
from tenants.controls.types import Operator
from tenants.models import Tenant
from tenants.scoping.context import ops_scope, tenant_scope

RECHECKED = dt.timedelta(minutes=10)
"""Longer than a copy of a key lives at the door (5 minutes)."""


def tenant_suspend(*, operator: Operator, tenant_id: uuid.UUID, reason: str) -> Suspension:
    """Close a workspace to its members and keys; what is at work is stopped, nothing is lost.

    Raises:
        Invalid: There is no reason.
        Conflict: It is suspended already, or being deleted.
    """
    why = reason_clean(reason)
    with tenant_scope(tenant_id):
        tenant = tenants.tenant_lock(tenant_id)
        if tenant.status != Tenant.Status.ACTIVE:
            raise Conflict(_("This workspace is closed already."), code="tenant_closed")
        tenant.status = Tenant.Status.SUSPENDED
        tenant.save(update_fields=["status"])
        row: Suspension = Suspension.objects.create(reason=why, by=operator.who)
        actor = operator.acting_for(tenant_id)
        audit.record(actor, "tenant.suspended", tenant, who=operator.who, reason=why)
        for drop in hooks.on_tenant_closed:
            # One that fails is logged, and repeated by the scheduler within seconds.
            transaction.on_commit(partial(drop, tenant_id), robust=True)
        return row


def tenant_resume(*, operator: Operator, tenant_id: uuid.UUID, reason: str) -> Suspension:
    """Open a suspended workspace again.

    Raises:
        Invalid: There is no reason.
        Conflict: It is not suspended.
    """
    why = reason_clean(reason)
    with tenant_scope(tenant_id):
        tenant = tenants.tenant_lock(tenant_id)
        row: Suspension | None = Suspension.objects.filter(ended_at=None).first()
        if row is None:
            raise Conflict(_("This workspace is not suspended."), code="tenant_not_suspended")
        row.ended_at, row.ended_by, row.ended_reason = clock.now(), operator.who, why
        row.save(update_fields=["ended_at", "ended_by", "ended_reason"])
        tenant.status = Tenant.Status.ACTIVE
        tenant.save(update_fields=["status"])
        actor = operator.acting_for(tenant_id)
        audit.record(actor, "tenant.resumed", tenant, who=operator.who, reason=why)
        return row


def suspensions_recheck() -> int:
    """Drop and stop again for tenants suspended lately, should it have failed; return how many."""
    with ops_scope("recheck of suspended tenants"):
        lately = selectors.suspended_lately(clock.now() - RECHECKED)
    for tenant_id in lately:
        for drop in hooks.on_tenant_closed:
            drop(tenant_id)
    return len(lately)
