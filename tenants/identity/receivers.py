"""A changed password or factor gives this session a new id and ends all others (ASVS 7.4.3)."""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account
from allauth.mfa import signals as mfa
from allauth.socialaccount import signals as social
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest

from modelyard.core import clock
from tenants.identity import fresh, services
from tenants.models import User


def factor_changed(request: HttpRequest, **_more: Any) -> None:
    """Answer an added, removed or renewed factor of who is signed in; at sign-in nobody is yet."""
    if isinstance(request.user, User):
        services.session_rotate(request)
        services.devices_end_others(request, user=request.user)


def password_changed(request: HttpRequest, user: User, **_more: Any) -> None:
    """Answer a changed password: Django has rotated this session and refuses the others."""
    services.devices_end_others(request, user=user)


def signed_in(request: HttpRequest, **_more: Any) -> None:
    """Note the moment in the session."""
    request.session[fresh.SIGNED_IN_AT] = clock.now().timestamp()


def connect() -> None:
    """Start listening."""
    user_logged_in.connect(signed_in, dispatch_uid="identity.signed_in")
    # A code goes to the address, and a provider opens the account: they are factors too.
    for signal in (
        mfa.authenticator_added,
        mfa.authenticator_removed,
        mfa.authenticator_reset,
        account.email_changed,
        social.social_account_added,
        social.social_account_removed,
    ):
        signal.connect(factor_changed, dispatch_uid="identity.factor_changed")
    for signal in (account.password_changed, account.password_set, account.password_reset):
        signal.connect(password_changed, dispatch_uid="identity.password_changed")
