"""Who acts, and what they may do: roles and key scopes become permissions here only."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from django.utils.translation import gettext_lazy as _

from modelyard.core.errors import Forbidden

READ = frozenset({"data.read", "runs.read", "models.read", "deployments.read", "usage.read"})
BUILD = frozenset(
    {"data.write", "label.write", "runs.write", "models.write", "deployments.write", "predict"}
)
MANAGE = frozenset({"keys.manage", "members.manage", "audit.read"})

ROLE_PERMISSIONS: dict[str, frozenset[str]] = {
    "owner": READ | BUILD | MANAGE | {"billing.manage"},
    "admin": READ | BUILD | MANAGE,
    "builder": READ | BUILD,
    "reviewer": READ | {"data.write", "label.write"},
    "labeler": frozenset({"data.read", "label.write"}),
    "billing": frozenset({"usage.read", "billing.manage"}),
    "viewer": READ,
}
"""What each member may do."""

SCOPE_PERMISSIONS: dict[str, frozenset[str]] = {
    "read": READ,
    "write": READ | BUILD - {"predict"},
    "predict": frozenset({"predict"}),
}
"""What a key with a scope may do; keys never manage keys or people."""

PERMISSIONS = frozenset().union(*ROLE_PERMISSIONS.values())


@dataclass(frozen=True)
class Actor:
    """Somebody who acts for a tenant: a member, a key, or the system itself."""

    kind: str
    id: str
    tenant_id: uuid.UUID
    permissions: frozenset[str] = field(default_factory=frozenset)
    request_id: str = ""

    def may(self, permission: str) -> bool:
        """Tell whether the actor holds `permission`."""
        if permission not in PERMISSIONS:
            raise ValueError(f"no such permission: {permission}")
        return self.kind == "system" or permission in self.permissions


def system(tenant_id: uuid.UUID) -> Actor:
    """Return the platform itself, acting for `tenant_id`."""
    return Actor(kind="system", id="system", tenant_id=tenant_id)


def require(actor: Actor, permission: str) -> None:
    """Raise `Forbidden` unless the actor holds `permission`."""
    if not actor.may(permission):
        raise Forbidden(
            _(
                "This needs the permission %(name)s. Ask an owner of the workspace,"
                " or use a key with that scope."
            )
            % {"name": permission},
            permission=permission,
        )
