"""Writes of billing: the plan of a tenant."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from functools import partial

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from billing import plans
from billing.models import Account
from modelyard.core.errors import Invalid
from tenants import access, audit
from tenants.access import Actor

on_plan_changed: list[Callable[[uuid.UUID], None]] = []
"""Called after commit with the tenant: whoever keeps a copy of its limits drops it."""


def account_set_plan(
    *, actor: Actor, plan: str, overrides: Mapping[str, int | None] | None = None
) -> Account:
    """Put the tenant of the actor on a plan; acts on the next request.

    Args:
        actor: Needs `billing.manage`.
        plan: Name of the plan.
        overrides: Limits that differ from the plan's, by agreement.

    Raises:
        Invalid: The plan or an overridden limit does not exist.
    """
    access.require(actor, "billing.manage")
    if plan not in plans.PLANS:
        raise Invalid(
            _("Choose a plan out of: %(all)s.") % {"all": ", ".join(plans.PLANS)},
            code="plan_unknown",
        )
    unknown = sorted(set(overrides or {}) - set(plans.LIMITS))
    if unknown:
        raise Invalid(
            _("There is no limit named %(name)s.") % {"name": unknown[0]}, code="limit_unknown"
        )
    with transaction.atomic():
        account, _made = Account.objects.update_or_create(
            tenant_id=actor.tenant_id,
            defaults={
                "plan": plan,
                "status": Account.Status.ACTIVE,
                "overrides": dict(overrides or {}),
            },
        )
        audit.record(actor, "plan.changed", account, plan=plan, overrides=account.overrides)
        for drop in on_plan_changed:
            transaction.on_commit(partial(drop, actor.tenant_id))
    return account
