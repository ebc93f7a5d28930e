"""Factories of the controls: operators who act, limits that differ."""

from __future__ import annotations

from billing import overrides
from tenants.controls.types import Operator
from tenants.models import Tenant, User
from tests.factories import make_user

WHY = "Agreed on the phone"


def make_operator(user: User | None = None) -> Operator:
    """Return an operator, as the console makes one of whoever is signed in there."""
    person = user or make_user()
    return Operator(person.pk, str(person), "req_test")


def override(tenant: Tenant, **limits: int) -> None:
    """Put limits in the place of the plan's."""
    for name, value in limits.items():
        overrides.override_set(
            operator=make_operator(), tenant_id=tenant.pk, limit=name, value=value,
            expires_at=None, reason=WHY,
        )  # fmt: skip
