"""Audit events go after the months that the workspace chose; their seals stay.

No login may delete them: `rights_retire_audit` does, after it has asked the setting itself.
"""

from __future__ import annotations

import datetime as dt
import uuid

from django.db import connection
from django.utils.translation import gettext_lazy as _

from tenants import access, audit
from tenants import selectors as tenants
from tenants.rights import hooks
from tenants.rights.hooks import Rule
from tenants.scoping.context import ops_scope, tenant_scope
from tenants.trail.selectors import RETIRED, SHORTEST

AT_ONCE = 5000


def audit_expire(tenant_id: uuid.UUID, before: dt.datetime) -> int:
    """Remove sealed events from before; an event in the same transaction says so."""
    total, removed = 0, AT_ONCE
    while removed == AT_ONCE:
        with ops_scope("rights.retire"):
            removed = _retire(tenant_id, before)
            if removed:
                with tenant_scope(tenant_id):
                    tenant = tenants.tenant_get(tenant_id)
                    actor = access.system(tenant_id)
                    audit.record(actor, RETIRED, tenant, before=before, count=removed)
        total += removed
    return total


def _retire(tenant_id: uuid.UUID, before: dt.datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute("select rights_retire_audit(%s, %s, %s)", [str(tenant_id), before, AT_ONCE])
        return int(cursor.fetchone()[0])


hooks.rule_add(
    Rule(
        name="audit",
        title=_("Audit log"),
        sentence=_(
            "Older events are removed; their seals stay, so that the rest can still be checked, and"
            " an event says what was removed."
        ),
        unit="months",
        usual=None,
        least=SHORTEST.days // 31,
        apply=audit_expire,
        by_ops=True,
    )
)
