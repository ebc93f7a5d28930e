"""Roles, leaving, removal, ownership: a workspace is never left without an owner.

Each write locks the tenant's row first, so that of two owners who leave at once one stays.
"""

from __future__ import annotations

import uuid
from dataclasses import replace

from django.db import transaction
from django.utils.translation import gettext as _

from modelyard.core import clock
from modelyard.core.errors import Conflict, Forbidden, Invalid
from tenants import access, audit
from tenants import selectors as directory
from tenants.access import Actor
from tenants.members import selectors
from tenants.models import Membership, Role


def workspace_locked(actor: Actor, permission: str) -> Actor:
    """Lock the workspace; return the actor with what they may do now that it is locked.

    Who was demoted or removed while this act waited for the lock must not go through with it.

    Raises:
        Forbidden: They may not, or not any more.
    """
    access.require(actor, permission)
    directory.tenant_lock(actor.tenant_id)
    if actor.kind == "user":
        place = selectors.place_find(actor.tenant_id, actor)
        held = access.ROLE_PERMISSIONS[place.role] if place else frozenset()
        actor = replace(actor, permissions=actor.permissions & held)
        access.require(actor, permission)
    return actor


def _withdraw_invitations(actor: Actor, left: Membership, role: str = "") -> None:
    """Revoke what `left` has sent and could not send with `role`; '' is to be out.

    Else who is removed comes back by an invitation to a second address.
    """
    held = access.ROLE_PERMISSIONS[role] if role else frozenset()
    then = Actor("user", str(left.user_id), left.tenant_id, held)
    for invitation in selectors.invitation_list(left.tenant_id).filter(invited_by=left.user_id):
        if not then.may_touch(invitation):
            invitation.revoked_at = clock.now()
            invitation.save(update_fields=["revoked_at"])
            audit.record(actor, "invitation.revoked", invitation, name=invitation.email)


def _keep_an_owner(place: Membership) -> None:
    if selectors.is_last_owner(place):
        raise Conflict(
            _(
                "This is the only owner, and a workspace needs one. Make somebody else an owner"
                " first, or delete the workspace under Settings, Data."
            ),
            code="last_owner",
        )


def role_parse(role: str) -> str:
    """Return `role` when there is such a role.

    Raises:
        Invalid: There is none.
    """
    if role not in Role.values:
        raise Invalid(
            _("Choose a role out of: %(all)s.") % {"all": ", ".join(Role.values)},
            code="role_unknown",
        )
    return role


@transaction.atomic
def member_set_role(*, actor: Actor, member_id: uuid.UUID, role: str) -> Membership:
    """Give a member another role; only owners make owners and touch them."""
    actor = workspace_locked(actor, "members.manage")
    place = selectors.member_get(actor.tenant_id, member_id)
    access.require_touch(actor, place)
    access.require_touch(actor, Membership(role=role_parse(role)))
    if place.role == role:
        return place
    _keep_an_owner(place)
    before, place.role = place.role, role
    place.save(update_fields=["role"])
    facts = {"name": str(place.user), "before": before, "after": role}
    audit.record(actor, "member.role_changed", place, **facts)
    _withdraw_invitations(actor, place, role)
    return place


@transaction.atomic
def member_remove(*, actor: Actor, member_id: uuid.UUID) -> None:
    """Take a member out; what they made, and the keys, stay the workspace's."""
    actor = workspace_locked(actor, "members.manage")
    place = selectors.member_get(actor.tenant_id, member_id)
    access.require_touch(actor, place)
    _keep_an_owner(place)
    audit.record(actor, "member.removed", place, name=str(place.user), role=place.role)
    _withdraw_invitations(actor, place)
    place.delete()


def _own_place(actor: Actor) -> Membership:
    place = selectors.place_find(actor.tenant_id, actor)
    if place is None:
        raise Forbidden(_("Only a member can do this: sign in as one."), code="not_a_member")
    return place


@transaction.atomic
def member_leave(*, actor: Actor) -> None:
    """Give up one's own place."""
    directory.tenant_lock(actor.tenant_id)
    place = _own_place(actor)
    _keep_an_owner(place)
    audit.record(actor, "member.left", place, name=str(place.user), role=place.role)
    _withdraw_invitations(actor, place)
    place.delete()


@transaction.atomic
def ownership_transfer(*, actor: Actor, member_id: uuid.UUID) -> Membership:
    """Make another member the owner in one's own stead; one stays in as an admin."""
    actor = workspace_locked(actor, "members.own")
    own, place = _own_place(actor), selectors.member_get(actor.tenant_id, member_id)
    if own.pk == place.pk:
        raise Invalid(_("Choose somebody else: this is you."), code="transfer_to_self")
    own.role, place.role = Role.ADMIN, Role.OWNER
    Membership.objects.bulk_update([own, place], ["role"])
    audit.record(actor, "ownership.transferred", place, name=str(place.user))
    _withdraw_invitations(actor, own, own.role)
    return place
