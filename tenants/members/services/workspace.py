"""The workspace's own name. Its slug stays: links, mails and programs keep working."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from modelyard.core.errors import Invalid
from tenants import access, audit, selectors
from tenants.access import Actor
from tenants.models import Tenant

NAME_LENGTH = 120


@transaction.atomic
def workspace_rename(*, actor: Actor, name: str) -> Tenant:
    """Give the workspace another name."""
    access.require(actor, "workspace.manage")
    name = " ".join(name.split())
    if not name or len(name) > NAME_LENGTH:
        raise Invalid(
            _("Give the workspace a name of at most %(n)d characters.") % {"n": NAME_LENGTH},
            code="name_missing",
        )
    tenant = selectors.tenant_lock(actor.tenant_id)
    if tenant.name != name:
        before, tenant.name = tenant.name, name
        tenant.save(update_fields=["name"])
        audit.record(actor, "workspace.renamed", tenant, name=name, before=before)
    return tenant
