"""Reads of the controls."""

from __future__ import annotations

import datetime as dt
import uuid

from django.db.models import QuerySet

from tenants.controls.models import Flag, FlagTenant, OperatorAct, StaffSession, Suspension, Switch
from tenants.models import User
from tenants.scoping.context import tenant_scope


def suspension_find(tenant_id: uuid.UUID) -> Suspension | None:
    """Return the suspension that lasts, or None."""
    with tenant_scope(tenant_id):
        found: Suspension | None = Suspension.objects.filter(ended_at=None).first()
        return found


def suspension_list(tenant_id: uuid.UUID) -> list[Suspension]:
    """Return the tenant's suspensions, newest first."""
    with tenant_scope(tenant_id):
        return list(Suspension.objects.order_by("-id"))


def suspended_lately(since: dt.datetime) -> list[uuid.UUID]:
    """Return the tenants that were suspended since then and still are; inside `ops_scope`."""
    rows = Suspension.objects.filter(created_at__gte=since, ended_at=None)
    return list(rows.values_list("tenant_id", flat=True))


def staff_session_list(tenant_id: uuid.UUID, most: int = 10) -> list[StaffSession]:
    """Return the latest looks of operators into the workspace, newest first."""
    with tenant_scope(tenant_id):
        return list(StaffSession.objects.order_by("-id")[:most])


def staff_sessions_over(now: dt.datetime) -> list[StaffSession]:
    """Return sessions whose time is over and that nobody ended; inside `ops_scope`."""
    return list(StaffSession.objects.filter(ended_at=None, expires_at__lte=now).order_by("id"))


def operator_find(user_id: uuid.UUID) -> User | None:
    """Return the person if they still are an operator."""
    return User.objects.filter(pk=user_id, is_active=True, is_staff=True).first()


def switch_list() -> dict[str, Switch]:
    """Return the switches that were ever used, by name."""
    return {row.name: row for row in Switch.objects.all()}


def act_list(most: int = 30) -> list[OperatorAct]:
    """Return the latest acts of operators on the whole site, newest first."""
    return list(OperatorAct.objects.order_by("-id")[:most])


def flag_list() -> QuerySet[Flag]:
    """Return the flags by name."""
    return Flag.objects.order_by("name")


def flags_listed(tenant_id: uuid.UUID) -> set[int]:
    """Return the ids of the flags on which the tenant is listed."""
    return set(FlagTenant.objects.filter(tenant_id=tenant_id).values_list("flag_id", flat=True))
