"""Invitations: looked up by the hash of a token before a tenant is known, so a directory."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from modelyard.core import clock, ids
from tenants.members import states
from tenants.models import Role, Tenant


class Invitation(models.Model):
    """A place kept for an address; only the hash of the link's token is stored.

    `digest` is '' until the mail is written, and from a resend until the next mail: the old
    link is dead at once. `rung_at` is when a mail was last asked for, `sent_at` when it left.
    """

    id = models.UUIDField(primary_key=True, default=ids.new, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=16, choices=Role.choices)
    language = models.CharField(max_length=16)
    digest = models.CharField(max_length=64, blank=True)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    rung_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "email"],
                condition=Q(accepted_at=None, revoked_at=None),
                name="members_invitation_once",
            ),
            models.UniqueConstraint(
                fields=["digest"], condition=~Q(digest=""), name="members_invitation_digest"
            ),
        ]
        indexes = [
            models.Index(
                fields=["rung_at"],
                condition=Q(sent_at=None, accepted_at=None, revoked_at=None),
                name="members_invitation_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.tenant_id} as {self.role}"

    @property
    def status(self) -> str:
        """One of `states.STATUSES`."""
        if self.accepted_at is not None:
            return states.ACCEPTED
        if self.revoked_at is not None:
            return states.REVOKED
        return states.EXPIRED if self.expires_at <= clock.now() else states.PENDING
