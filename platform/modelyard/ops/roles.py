"""Which operator may do what: a role is a group's name, an act a word from this table.

PostgreSQL lets only the schema's owner give roles (migration 0001), so this is the console's
side of the rule: what a page shows, and what an act asks before it does anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as later

from tenants.models import User

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser
    from django.utils.functional import _StrPromise


class Role(models.TextChoices):
    """What an operator is there for; the values are names of groups."""

    SUPPORT = "support", later("support")
    BILLING = "billing", later("billing")
    OPS = "ops", later("operations")
    SUPERUSER = "superuser", later("superuser")


LOOK = frozenset({"look"})
MONEY = frozenset({"ledger.read", "webhooks.read", "webhooks.act", "overrides.act"})
WORK = frozenset({"runs.act", "tenants.act", "flags.act", "switches.act"})
HELP = frozenset({"impersonate"})
ACTS = LOOK | MONEY | WORK | HELP | {"impersonate.write"}
"""Every act of the console."""

MAY: Mapping[Role, frozenset[str]] = MappingProxyType(
    {
        Role.SUPPORT: LOOK | HELP,
        Role.BILLING: LOOK | MONEY,
        Role.OPS: LOOK | WORK | HELP | {"impersonate.write", "webhooks.read"},
        Role.SUPERUSER: ACTS,
    }
)
"""What each role may do: support looks, billing minds money, ops acts on runs and tenants."""


def roles_of(user: User | AnonymousUser) -> frozenset[Role]:
    """Return the roles of an active operator; none of anybody else."""
    if not (isinstance(user, User) and user.is_active and user.is_staff):
        return frozenset()
    if user.is_superuser:
        return frozenset({Role.SUPERUSER})
    kept: frozenset[Role] | None = getattr(user, "_ops_roles", None)
    if kept is None:
        names = set(user.groups.values_list("name", flat=True))
        kept = frozenset(role for role in MAY if role in names and role != Role.SUPERUSER)
        user._ops_roles = kept  # type: ignore[attr-defined]  # noqa: SLF001 - once a request
    return kept


def may(user: User | AnonymousUser, act: str) -> bool:
    """Tell whether the operator's roles allow `act`.

    Raises:
        ValueError: There is no such act; a typo must not pass for "nobody may".
    """
    if act not in ACTS:
        raise ValueError(f"no such act of the console: {act}")
    return any(act in MAY[role] for role in roles_of(user))


def require(user: User | AnonymousUser, act: str) -> None:
    """Let the operator on only if a role allows `act`.

    Raises:
        PermissionDenied: None does; the sentence names the roles that do.
    """
    if not may(user, act):
        raise PermissionDenied(refusal(act))


def refusal(act: str) -> str:
    """Return the sentence for an operator without the role."""
    able = ", ".join(str(role.label) for role, acts in MAY.items() if act in acts)
    return _("Your role does not allow this. Ask somebody with one of these roles: %(roles)s.") % {
        "roles": able
    }


def title_of(user: User | AnonymousUser) -> _StrPromise | str:
    """Return the operator's roles as people read them."""
    return ", ".join(sorted(str(role.label) for role in roles_of(user)))
