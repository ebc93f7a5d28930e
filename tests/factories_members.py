"""Typed factories of people's places and invitations."""

from __future__ import annotations

from django.core import mail

from tenants.members.models import Invitation
from tenants.members.services import invitations
from tenants.models import Membership, Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import add_member, owner_of


def make_place(tenant: Tenant, role: str = "viewer") -> Membership:
    """Add a new person and return the place."""
    return Membership.objects.get(tenant=tenant, user=add_member(tenant, role))


def make_invitation(
    tenant: Tenant, email: str = "new@corp.test", role: str = "builder"
) -> Invitation:
    """Invite an address, as the owner."""
    with tenant_scope(tenant.pk):
        return invitations.invitation_create(actor=owner_of(tenant), email=email, role=role)


def token_of(invitation: Invitation) -> str:
    """Return the token of the link in the newest mail to the invited address."""
    letters = [letter for letter in mail.outbox if letter.to == [invitation.email]]
    link = next(line for line in letters[-1].body.splitlines() if "/invitations/" in line)
    return link.rsplit("/", 1)[-1].strip()
