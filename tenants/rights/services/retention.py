"""How long a tenant keeps what: its settings, and the rules applied."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping

import structlog
from django.utils.translation import gettext_lazy as _

from modelyard.core import clock, queue
from modelyard.core.errors import Invalid
from tenants import access, audit
from tenants.access import Actor
from tenants.models import Tenant
from tenants.rights import hooks, selectors
from tenants.rights.hooks import Rule
from tenants.rights.models import Retention
from tenants.scoping.context import ops_scope, tenant_scope

MOST = {"days": 3650, "months": 120}
DAYS_A_MONTH = 31
"""Months are counted generously: kept a day too long, never a day too short."""

logger = structlog.get_logger(__name__)


def retention_set(*, actor: Actor, keep: Mapping[str, int | None]) -> Retention:
    """Say how long what is kept; None keeps for ever; rules that are not named stay as they are.

    Raises:
        Invalid: `rule_unknown` or `amount_out_of_range`.
    """
    access.require(actor, "workspace.manage")
    for name, amount in keep.items():
        rule = hooks.rules.get(name)
        if rule is None:
            raise Invalid(
                _("Choose rules out of: %(all)s.") % {"all": ", ".join(sorted(hooks.rules))},
                code="rule_unknown",
            )
        if amount is not None and not rule.least <= amount <= MOST[rule.unit]:
            raise Invalid(
                _("%(title)s: choose between %(least)d and %(most)d.")
                % {"title": rule.title, "least": rule.least, "most": MOST[rule.unit]},
                code="amount_out_of_range",
                fields=[{"field": name, "message": str(rule.title)}],
            )
    row, _new = Retention.objects.select_for_update().get_or_create()
    row.keep = {**row.keep, **keep}
    row.save(update_fields=["keep"])
    audit.record(actor, "retention.changed", row, keep=row.keep)
    return row


def retain_ring() -> int:
    """Ring for each tenant; return how many. For the scheduler's login."""
    count = 0
    for tenant_id in Tenant.objects.values_list("pk", flat=True).iterator(chunk_size=1000):
        with ops_scope("rights.retain"):
            queue.enqueue("rights.retain_tenant", tenant_id=str(tenant_id))
            if any(rule.by_ops for rule in hooks.rules.values()):
                queue.enqueue("rights.retain_trail", tenant_id=str(tenant_id))
        count += 1
    return count


def retain_apply(*, tenant_id: uuid.UUID, by_ops: bool) -> dict[str, int]:
    """Apply the rules of one tenant; return rule -> how many went."""
    now = clock.now()
    with tenant_scope(tenant_id):
        kept = [
            (rule, amount) for rule, amount in selectors.retention_of() if rule.by_ops == by_ops
        ]
    gone = {
        rule.name: rule.apply(tenant_id, now - _length(rule, amount))
        for rule, amount in kept
        if amount is not None
    }
    if removed := {name: count for name, count in gone.items() if count}:
        logger.info("retention_applied", tenant=str(tenant_id), **removed)
    return gone


def _length(rule: Rule, amount: int) -> dt.timedelta:
    return dt.timedelta(days=amount * (DAYS_A_MONTH if rule.unit == "months" else 1))
