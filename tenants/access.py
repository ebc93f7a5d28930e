"""Who acts, and what they may do: roles and key scopes become permissions here only.

Each permission is a predicate (package `rules`) over the actor. Acts on a person's place in the
workspace are predicates over actor and place too: an owner is touched by owners only.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any, Protocol

import rules
from django.utils.translation import gettext_lazy as _

from modelyard.core.errors import Forbidden

READ = frozenset({"data.read", "runs.read", "models.read", "deployments.read", "usage.read"})
BUILD = frozenset(
    {
        "data.write",
        "data.delete",
        "label.write",
        "runs.write",
        "models.write",
        "deployments.write",
        "predict",
    }
)
MANAGE = frozenset({"keys.manage", "members.manage", "audit.read", "workspace.manage"})
"""Of admins and owners: keys, people, the trail, the workspace's name."""
OWN = frozenset({"billing.manage", "members.own", "workspace.delete"})
"""Of owners: what the workspace pays, who else owns it, its end."""
MEMBER = frozenset({"workspace.read"})
"""Of everybody who is in: the workspace's name, one's own place in it."""

ROLE_PERMISSIONS: dict[str, frozenset[str]] = {
    "owner": MEMBER | READ | BUILD | MANAGE | OWN | {"members.read", "data.export"},
    "admin": MEMBER | READ | BUILD | MANAGE | {"members.read", "data.export"},
    "builder": MEMBER | READ | BUILD | {"members.read"},
    "reviewer": MEMBER | READ | {"data.write", "label.write", "members.read"},
    "labeler": MEMBER | {"data.read", "label.write"},
    "billing": MEMBER | {"usage.read", "billing.manage", "members.read"},
    "viewer": MEMBER | READ | {"members.read"},
}
"""What each member may do."""

SCOPE_PERMISSIONS: dict[str, frozenset[str]] = {
    "read": READ,
    "write": READ | BUILD - {"predict"},
    "predict": frozenset({"predict"}),
    "audit": frozenset({"audit.read"}),
}
"""What a key with a scope may do; keys never manage keys or people."""

PERMISSIONS = frozenset().union(*ROLE_PERMISSIONS.values())


class Place(Protocol):
    """What a rule looks at in a membership or an invitation: the role."""

    role: str


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
        return bool(RULES.test_rule(permission, self))

    def may_touch(self, place: Place) -> bool:
        """Tell whether the actor may make, change or end `place` (a membership, an invitation)."""
        return bool(RULES.test_rule("place.touch", self, place))


def holds(permission: str) -> Any:
    """Return the predicate that the actor was given `permission` by role or scope."""

    def held(actor: Actor) -> bool:
        return permission in actor.permissions

    return rules.predicate(held, name=permission)


def _is_system(actor: Actor) -> bool:
    return actor.kind == "system"


def _is_owners(actor: Actor, place: Place) -> bool:
    del actor
    return place.role == "owner"


is_system: Any = rules.predicate(_is_system)
"""The platform itself acts."""
is_owners: Any = rules.predicate(_is_owners)
"""The place is an owner's."""

RULES: Any = rules.RuleSet()
"""Permission -> predicate over the actor; `place.touch` is over actor and place."""
for _name in sorted(PERMISSIONS):
    RULES.add_rule(_name, is_system | holds(_name))
RULES.add_rule(
    "place.touch",
    is_system | (holds("members.manage") & ~is_owners) | (holds("members.own") & is_owners),
)


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


def require_touch(actor: Actor, place: Place) -> None:
    """Raise `Forbidden` unless the actor may make, change or end `place`."""
    if not actor.may_touch(place):
        raise Forbidden(
            _("Only an owner of the workspace can do this. Ask one of them."),
            code="owner_needed",
        )
