"""Sign-up on django-allauth: an address, a password, a six-digit code; then a workspace."""

from __future__ import annotations

import secrets
import string
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.core.exceptions import ReauthenticationRequired
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as later

from tenants.controls import switches
from tenants.identity import fresh
from tenants.identity.services import other_ways_shut, workspace_first

PROVEN_ADDRESS = "proven_address"
"""Session key of the address whose mail the browser's person has opened (an invitation's link)."""


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Our differences from allauth's defaults."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": later("The address or the password is wrong."),
        "incorrect_code": later("This code is wrong. Type the newest one that was sent to you."),
        "incorrect_password": later("The password is wrong."),
        "enter_current_password": later("This is not your current password."),
        "duplicate_email": later("This is your address already."),
        "rate_limited": later("There were too many tries. Wait a minute, then try again."),
        "too_many_login_attempts": later(
            "There were too many tries. Wait five minutes, then try again."
        ),
    }

    def is_open_for_signup(self, request: Any) -> bool:
        """Close sign-up, by provider too, while operators have stopped it."""
        del request
        return not switches.is_stopped(switches.SIGN_UP)

    def _digits(self) -> str:
        return "".join(secrets.choice(string.digits) for _ in range(6))

    def generate_email_verification_code(self) -> str:
        """Return six digits: typed from a phone more easily than letters."""
        return self._digits()

    def generate_login_code(self) -> str:
        """Return six digits."""
        return self._digits()

    def populate_username(self, request: Any, user: Any) -> None:
        """Keep people nameless until they say so: the address is the name."""

    def is_email_verified(self, request: Any, email: str) -> bool:
        """Count an invited address as verified: the link came by mail to it and nowhere else."""
        proven = str(request.session.get(PROVEN_ADDRESS, ""))
        return proven == email.lower() or bool(super().is_email_verified(request, email))

    def login(self, request: Any, user: Any) -> None:
        """Sign in; the first time, make sure that the account is this person's alone."""
        is_first = user.last_login is None
        if is_first:
            other_ways_shut(request, user=user)
        super().login(request, user)
        if is_first:
            workspace_first(user=user)

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Ask before dangerous acts unless the sign-in is fresh, as `identity.fresh` does.

        allauth itself never asks people without password and factor; so it is asked for here.

        Raises:
            ReauthenticationRequired: Too long ago.
        """
        del app, kwargs
        if not fresh.is_fresh(context.request):
            raise ReauthenticationRequired
        return False

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """Ask for the second factor where one is set: who has the password must not get past it.

        People without password and factor sign in again, by code or provider.
        """
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        factors = [method for method in methods if method["id"] != "reauthenticate"]
        if methods or not user.is_authenticated:
            return factors or methods
        again = {"id": "again", "description": _("Sign in again"), "url": reverse("identity:again")}
        return [again]
