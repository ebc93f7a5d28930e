"""Writes of a person's own account: name, sessions, the first workspace."""

from __future__ import annotations

from allauth.account.authentication import get_authentication_records
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from modelyard.core.errors import Invalid, NotFound
from tenants import selectors as tenants
from tenants.models import User
from tenants.services import tenant_create, workspace_name_for

NAME_LENGTH = 120


def name_change(*, user: User, name: str) -> None:
    """Set what others in the workspaces see; nothing means the address."""
    if len(name) > NAME_LENGTH:
        raise Invalid(
            _("Use a name of at most %(most)d characters.") % {"most": NAME_LENGTH},
            code="name_long",
        )
    user.name = name.strip()
    user.save(update_fields=["name"])


def workspace_first(*, user: User) -> None:
    """Make the person's first workspace, once their address is known to be theirs."""
    verified = EmailAddress.objects.filter(user=user, verified=True).exists()
    if verified and not tenants.membership_list(user=user).exists():
        tenant_create(user=user, name=workspace_name_for(user.email))


def other_ways_shut(request: HttpRequest, *, user: User) -> None:
    """At the first sign-in, shut each way in that this browser has not just used.

    Anybody can sign up with an address that is not theirs. That lets nobody in, but the
    password, or the account at a provider, would wait for the day on which the address's owner
    proves it (pre-hijacking: Sudhodanan and Paverd, USENIX Security 2022).
    """
    used = get_authentication_records(request, user)
    accounts = {(one.get("provider"), one.get("uid")) for one in used}
    for account in SocialAccount.objects.filter(user=user):
        if (account.provider, account.uid) not in accounts:
            account.delete()
    # Without a record it is the browser that has just signed up, with this password.
    if used and "password" not in {one["method"] for one in used} and user.has_usable_password():
        user.set_unusable_password()
        user.save(update_fields=["password"])
        sentence = _("The password of the sign-up counts no more. Set a new one under Profile.")
        messages.info(request, sentence)


def session_rotate(request: HttpRequest) -> None:
    """Give the session a new id; who knew the old one is signed out."""
    before = request.session.session_key
    request.session.cycle_key()
    UserSession.objects.filter(session_key=before).update(session_key=request.session.session_key)


def device_end(request: HttpRequest, *, user: User, device_id: int) -> None:
    """Sign one of the person's other devices out.

    Raises:
        NotFound: It is no device of this person, or it is this one.
    """
    row = UserSession.objects.filter(user=user, pk=device_id).first()
    if row is None or row.session_key == request.session.session_key:
        raise NotFound(_("This device is signed out already."))
    row.end()


def devices_end_others(request: HttpRequest, *, user: User) -> int:
    """Sign all other devices of the person out; return how many."""
    others = UserSession.objects.filter(user=user).exclude(session_key=request.session.session_key)
    ended = list(others)
    for row in ended:
        row.end()
    return len(ended)
