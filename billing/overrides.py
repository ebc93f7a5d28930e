"""Limits that operators allow instead of the plan's: set, end, history."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from billing import amounts, plans
from billing.models import LimitOverride
from billing.services import copies_drop
from modelyard.core import clock
from modelyard.core.errors import Conflict, Invalid
from tenants import audit
from tenants import selectors as tenants
from tenants.controls.reasons import reason_clean
from tenants.controls.types import Operator
from tenants.scoping.context import tenant_scope

MOST = 2**53
"""Larger amounts mean a mistake; None is no limit."""


@dataclass(frozen=True)
class Shown:
    """An override as people read it; `state` is active, expired or ended."""

    row: LimitOverride
    title: str
    amount: str
    state: str


def override_set(
    *,
    operator: Operator,
    tenant_id: uuid.UUID,
    limit: str,
    value: int | None,
    expires_at: dt.datetime | None,
    reason: str,
) -> LimitOverride:
    """Put a limit in the place of the plan's; one that stands there is replaced.

    Args:
        operator: Who.
        tenant_id: For whom.
        limit: One of `plans.LIMITS`.
        value: The limit, in its unit; None is no limit.
        expires_at: When it stops counting; None is never.
        reason: Why, as the workspace reads it.

    Raises:
        Invalid: No reason, no such limit, an amount that is none, or an expiry that is past.
    """
    why = reason_clean(reason)
    if limit not in plans.LIMITS:
        raise Invalid(
            _("There is no limit named %(name)s.") % {"name": limit}, code="limit_unknown"
        )
    if value is not None and not 0 <= value <= MOST:
        raise Invalid(_("Give an amount of 0 or more, or leave it open."), code="limit_amount")
    if expires_at is not None and expires_at <= clock.now():
        raise Invalid(_("The expiry must lie in the future."), code="expiry_past")
    with tenant_scope(tenant_id):
        tenants.tenant_lock(tenant_id)
        before = _end(LimitOverride.objects.filter(limit=limit, ended_at=None).first(), operator)
        row: LimitOverride = LimitOverride.objects.create(
            limit=limit, value=value, reason=why, by=operator.who, expires_at=expires_at
        )
        audit.record(
            operator.acting_for(tenant_id),
            "limit.overridden",
            row,
            name=limit,
            value=value,
            before=before,
            expires_at=expires_at,
            who=operator.who,
            reason=why,
        )
        copies_drop(tenant_id)
        return row


def override_end(
    *, operator: Operator, tenant_id: uuid.UUID, override_id: uuid.UUID, reason: str
) -> None:
    """Let the plan's limit count again.

    Raises:
        Invalid: There is no reason.
        Conflict: It has ended already, or the tenant has none of that id.
    """
    why = reason_clean(reason)
    with tenant_scope(tenant_id):
        tenants.tenant_lock(tenant_id)
        row = LimitOverride.objects.filter(pk=override_id, ended_at=None).first()
        if row is None:
            raise Conflict(_("This limit has ended already."), code="override_ended")
        _end(row, operator, why)
        audit.record(
            operator.acting_for(tenant_id),
            "limit.override_ended",
            row,
            name=row.limit,
            value=row.value,
            who=operator.who,
            reason=why,
        )
        copies_drop(tenant_id)


def override_list(tenant_id: uuid.UUID) -> list[Shown]:
    """Return the tenant's overrides, newest first, past ones too."""
    with tenant_scope(tenant_id):
        rows = list(LimitOverride.objects.order_by("-id")[:50])
    return [_shown(row) for row in rows]


def _shown(row: LimitOverride) -> Shown:
    state = "active"
    if row.ended_at is not None:
        state = "stopped"
    elif row.expires_at is not None and row.expires_at <= clock.now():
        state = "expired"
    amount = str(_("no limit")) if row.value is None else amounts.short(row.limit, row.value)
    return Shown(row, str(plans.TITLES[row.limit]), amount, state)


def _end(row: LimitOverride | None, operator: Operator, reason: str = "") -> int | None:
    """End an override; return what it allowed."""
    if row is None:
        return None
    row.ended_at, row.ended_by, row.ended_reason = clock.now(), operator.who, reason
    row.save(update_fields=["ended_at", "ended_by", "ended_reason"])
    return row.value
