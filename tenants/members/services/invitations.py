"""Invitations: asked for, sent, sent again, revoked, accepted.

The token exists in the mail only: the task that writes the mail makes it and stores its hash.
"""

from __future__ import annotations

import datetime as dt
import secrets
import uuid

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.core.validators import MaxLengthValidator, validate_email
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from modelyard.core import clock, queue
from modelyard.core.errors import Conflict, Invalid, QuotaExceeded, TooMany
from tenants import access, audit
from tenants import selectors as directory
from tenants.access import Actor
from tenants.members import roles, seats, selectors, states
from tenants.members.models import Invitation
from tenants.members.services.people import role_parse, workspace_locked
from tenants.models import Membership, Role, Tenant, User
from tenants.scoping.context import tenant_scope

DAYS = 7
TOKEN_BYTES = 32
EMAIL_LENGTH = 254
"""Characters of an address at most (RFC 5321, erratum 1690)."""
RESEND_AFTER = dt.timedelta(minutes=1)
GIVE_UP_AFTER = dt.timedelta(hours=1)
"""So long the mail is tried; then the list says that it could not be sent."""
PER_DAY = 100
"""Invitations that a workspace may make in a day: nobody's mailbox is flooded from here."""


def _address(email: str) -> str:
    email = email.strip().lower()
    try:
        MaxLengthValidator(EMAIL_LENGTH)(email)
        validate_email(email)
    except ValidationError as error:
        raise Invalid(
            _("Write an e-mail address, such as name@company.com."), code="email_invalid"
        ) from error
    return email


def _require_pace(tenant_id: uuid.UUID) -> None:
    since = clock.now() - dt.timedelta(days=1)
    made = Invitation.objects.filter(tenant_id=tenant_id, created_at__gt=since).count()
    if made >= PER_DAY:
        raise TooMany(
            _("%(n)d invitations were made within a day. Go on tomorrow.") % {"n": PER_DAY},
            retry_after=24 * 3600,
        )


def _require_new(tenant_id: uuid.UUID, email: str) -> None:
    if Membership.objects.filter(tenant_id=tenant_id, user__email=email).exists():
        raise Conflict(
            _("%(email)s is a member already. Change the role in the list.") % {"email": email},
            code="already_member",
        )
    waiting = selectors.invitation_list(tenant_id).filter(email=email).first()
    if waiting is None:
        return
    if waiting.status == states.PENDING:
        raise Conflict(
            _("%(email)s is invited already. Send the invitation again, or revoke it first.")
            % {"email": email},
            code="already_invited",
        )
    waiting.revoked_at = clock.now()
    waiting.save(update_fields=["revoked_at"])


def _ring(invitation: Invitation) -> None:
    queue.enqueue("members.send_invitation", invitation_id=str(invitation.pk))


@transaction.atomic
def invitation_create(*, actor: Actor, email: str, role: str) -> Invitation:
    """Invite an address; a mail with the link follows.

    Raises:
        Conflict: The person is in, or invited.
        QuotaExceeded: The plan has no seat left.
        TooMany: Too many invitations were made today.
    """
    email = _address(email)
    actor = workspace_locked(actor, "members.manage")
    access.require_touch(actor, Invitation(role=role_parse(role)))
    _require_new(actor.tenant_id, email)
    _require_pace(actor.tenant_id)
    seats.require(actor.tenant_id, more=1)
    now = clock.now()
    invitation = Invitation.objects.create(
        tenant_id=actor.tenant_id,
        email=email,
        role=role,
        language=translation.get_language() or settings.LANGUAGE_CODE,
        invited_by_id=uuid.UUID(actor.id) if actor.kind == "user" else None,
        rung_at=now,
        expires_at=now + dt.timedelta(days=DAYS),
    )
    audit.record(actor, "invitation.created", invitation, name=email, role=role)
    _ring(invitation)
    return invitation


def _open(actor: Actor, invitation_id: uuid.UUID) -> Invitation:
    """Return the invitation for a change, its tenant locked."""
    actor = workspace_locked(actor, "members.manage")
    invitation = selectors.invitation_get(actor.tenant_id, invitation_id)
    access.require_touch(actor, invitation)
    if invitation.status == states.ACCEPTED:
        raise Conflict(
            _("%(email)s has accepted this invitation. Look at the list of members.")
            % {"email": invitation.email},
            code="invitation_accepted",
        )
    return invitation


@transaction.atomic
def invitation_resend(*, actor: Actor, invitation_id: uuid.UUID) -> Invitation:
    """Send a new link, good for 7 days; the old one is dead from now on."""
    invitation = _open(actor, invitation_id)
    if invitation.status == states.REVOKED:
        raise Conflict(
            _("This invitation was revoked. Invite the address anew."), code="invitation_revoked"
        )
    now = clock.now()
    if now - invitation.rung_at < RESEND_AFTER:
        wait = RESEND_AFTER - (now - invitation.rung_at)
        raise TooMany(
            _("A mail went out a moment ago. Wait a minute before you send another."),
            retry_after=int(wait.total_seconds()) + 1,
        )
    if invitation.status == states.EXPIRED:
        seats.require(actor.tenant_id, more=1)
    invitation.digest, invitation.sent_at, invitation.rung_at = "", None, now
    invitation.expires_at = now + dt.timedelta(days=DAYS)
    invitation.save(update_fields=["digest", "sent_at", "rung_at", "expires_at"])
    audit.record(actor, "invitation.resent", invitation, name=invitation.email)
    _ring(invitation)
    return invitation


@transaction.atomic
def invitation_revoke(*, actor: Actor, invitation_id: uuid.UUID) -> Invitation:
    """End an invitation: its link is dead, its seat free."""
    invitation = _open(actor, invitation_id)
    if invitation.status != states.REVOKED:
        invitation.revoked_at = clock.now()
        invitation.save(update_fields=["revoked_at"])
        audit.record(actor, "invitation.revoked", invitation, name=invitation.email)
    return invitation


def _mail(invitation: Invitation, token: str) -> None:
    with translation.override(invitation.language):
        context = {
            "workspace": " ".join(invitation.tenant.name.split()),
            "inviter": invitation.invited_by.email if invitation.invited_by else "",
            "email": invitation.email,
            "role": invitation.get_role_display(),
            "sentence": roles.SENTENCES[invitation.role],
            "days": DAYS,
            "url": f"{settings.SITE_URL}{reverse('invitation', args=[token])}",
        }
        subject = render_to_string("members/email/invitation_subject.txt", context)
        body = render_to_string("members/email/invitation.txt", context)
    send_mail(" ".join(subject.split()), body, None, [invitation.email])


def invitation_send(*, invitation_id: uuid.UUID) -> None:
    """Make a token, store its hash, write the mail; run twice, only the last mail's link works."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    digest = selectors.digest_of(token)
    waiting = Invitation.objects.filter(
        pk=invitation_id, sent_at=None, accepted_at=None, revoked_at=None
    )
    if not waiting.update(digest=digest):
        return
    _mail(Invitation.objects.select_related("tenant", "invited_by").get(pk=invitation_id), token)
    waiting.filter(digest=digest).update(sent_at=clock.now())


def _require_answerable(invitation: Invitation, user: User) -> None:
    if invitation.email != user.email:
        raise Conflict(
            _(
                "This invitation is for %(invited)s, and you are signed in as %(mine)s."
                " Sign out, and open the link again."
            )
            % {"invited": invitation.email, "mine": user.email},
            code="invitation_for_another",
        )
    if invitation.status == states.ACCEPTED:
        raise Conflict(_("This invitation has been accepted."), code="invitation_accepted")
    if invitation.status == states.REVOKED:
        raise Conflict(
            _("This invitation was revoked. Ask for another one."), code="invitation_revoked"
        )
    if invitation.status == states.EXPIRED:
        raise Conflict(
            _("This invitation has expired. Ask for another one."), code="invitation_expired"
        )
    if invitation.tenant.status != Tenant.Status.ACTIVE:
        raise Conflict(
            _("This workspace is suspended at the moment. Ask its owner."),
            code="workspace_suspended",
        )


def _take_seat(tenant_id: uuid.UUID) -> None:
    """The seat was kept; a smaller plan since then may have taken it away."""
    try:
        seats.require(tenant_id, more=0)
    except QuotaExceeded as error:
        raise Conflict(
            _("The workspace has no seat left. Ask who invited you to make room."),
            code="no_seat",
        ) from error


def invitation_accept(*, user: User, token: str) -> Membership:
    """Take the place that an invitation keeps; `user` must own the invited address.

    Raises:
        Conflict: Another address, or an invitation that is over.
        NotFound: No such link.
    """
    tenant_id = selectors.invitation_find(token).tenant_id
    with tenant_scope(tenant_id):
        directory.tenant_lock(tenant_id)
        invitation = selectors.invitation_find(token)
        _require_answerable(invitation, user)
        _take_seat(tenant_id)
        invitation.accepted_at = clock.now()
        invitation.save(update_fields=["accepted_at"])
        place, _made = Membership.objects.get_or_create(
            tenant_id=tenant_id, user=user, defaults={"role": invitation.role}
        )
        actor = Actor("user", str(user.pk), tenant_id, access.ROLE_PERMISSIONS[Role(place.role)])
        audit.record(actor, "member.joined", place, name=user.email, role=place.role)
    return place


def sweep() -> int:
    """Ring again for invitations whose mail has not left soon; return how many."""
    now = clock.now()
    late = Invitation.objects.filter(
        sent_at=None,
        accepted_at=None,
        revoked_at=None,
        rung_at__lt=now - dt.timedelta(seconds=settings.RUN_SWEEP_AFTER_SECONDS),
        rung_at__gt=now - GIVE_UP_AFTER,
    )[:100]
    for invitation in late:
        _ring(invitation)
    return len(late)
