"""Reads: who is in a workspace, who is invited, how many seats that takes."""

from __future__ import annotations

import hashlib
import uuid

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from modelyard.core import clock
from modelyard.core.errors import NotFound
from tenants.access import Actor
from tenants.members.models import Invitation
from tenants.models import Membership, Role


def member_list(tenant_id: uuid.UUID) -> QuerySet[Membership]:
    """Return the people of the workspace, in the order in which they came."""
    return Membership.objects.filter(tenant_id=tenant_id).select_related("user").order_by("id")


def member_get(tenant_id: uuid.UUID, member_id: uuid.UUID) -> Membership:
    """Return one person's place.

    Raises:
        NotFound: No such place in this workspace.
    """
    found = member_list(tenant_id).filter(pk=member_id).first()
    if found is None:
        raise NotFound(_("There is no such member. Look at the list of members."))
    return found


def role_of(tenant_id: uuid.UUID, member_id: uuid.UUID) -> str:
    """Return the role of one place, '' when there is none."""
    return member_list(tenant_id).filter(pk=member_id).values_list("role", flat=True).first() or ""


def place_find(tenant_id: uuid.UUID, actor: Actor) -> Membership | None:
    """Return the actor's own place; our staff and keys have none."""
    if actor.kind != "user":
        return None
    return member_list(tenant_id).filter(user_id=actor.id).first()


def is_last_owner(place: Membership) -> bool:
    """Tell whether the workspace would be without an owner if `place` went."""
    owners = Membership.objects.filter(tenant_id=place.tenant_id, role=Role.OWNER)
    return place.role == Role.OWNER and not owners.exclude(pk=place.pk).exists()


def invitation_list(tenant_id: uuid.UUID) -> QuerySet[Invitation]:
    """Return the invitations that wait or have expired, newest first."""
    return (
        Invitation.objects.filter(tenant_id=tenant_id, accepted_at=None, revoked_at=None)
        .select_related("invited_by")
        .order_by("-id")
    )


def invitation_get(tenant_id: uuid.UUID, invitation_id: uuid.UUID) -> Invitation:
    """Return one invitation, also one that is over.

    Raises:
        NotFound: No such invitation in this workspace.
    """
    found = (
        Invitation.objects.filter(tenant_id=tenant_id, pk=invitation_id)
        .select_related("invited_by")
        .first()
    )
    if found is None:
        raise NotFound(_("There is no such invitation. Look at the list of members."))
    return found


def digest_of(token: str) -> str:
    """Return what is stored of a token; 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def invitation_find(token: str) -> Invitation:
    """Return the invitation that a link names, also one that is over.

    Raises:
        NotFound: No such link; a resend has replaced it, or it was mistyped.
    """
    found = (
        Invitation.objects.filter(digest=digest_of(token))
        .select_related("tenant", "invited_by")
        .first()
    )
    if found is None:
        raise NotFound(
            _(
                "This invitation link is not known. A newer mail may have replaced it: open the"
                " link in the last one, or ask for another invitation."
            ),
            code="invitation_unknown",
        )
    return found


def pending_count(tenant_id: uuid.UUID) -> int:
    """Return how many invitations wait for an answer."""
    return invitation_list(tenant_id).filter(expires_at__gt=clock.now()).count()


def seat_count(tenant_id: uuid.UUID) -> int:
    """Return how many seats are taken: each member's, and one for each invitation that waits."""
    return member_list(tenant_id).count() + pending_count(tenant_id)
