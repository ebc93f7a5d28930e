"""Forms of the account pages that differ from allauth's."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import AddEmailForm, LoginForm, SignupForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _


class PasskeyForm(AddWebAuthnForm):  # type: ignore[misc]
    """A passkey signs in alone unless the person says otherwise."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Name the fields in our words."""
        super().__init__(*args, **kwargs)
        self.fields["name"].label = _("Name")
        self.fields["name"].max_length = 60
        self.fields["name"].help_text = _("Where it is kept: a laptop, a phone, a key ring.")
        self.fields["passwordless"].label = _("Sign in with it alone, without a password")
        self.fields["passwordless"].help_text = _(
            "The device then asks for a fingerprint, face or PIN. Without this it is a second"
            " factor after the password."
        )
        self.fields["passwordless"].initial = True


class AddressForm(AddEmailForm):  # type: ignore[misc]
    """The address that is to take the old one's place."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Name the field."""
        super().__init__(*args, **kwargs)
        self.fields["email"].label = _("New address")
        del self.fields["email"].widget.attrs["placeholder"]


class SignInForm(LoginForm):  # type: ignore[misc]
    """Address and password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Say how long the session lasts."""
        super().__init__(*args, **kwargs)
        self.fields["remember"].label = _("Stay signed in for two weeks")


class SignUpForm(SignupForm):  # type: ignore[misc]
    """Address and password of a new person."""

    def try_save(self, request: HttpRequest) -> Any:
        """Hash the password for a known address too: else the shorter wait would tell it."""
        if self.account_already_exists:
            make_password(self.cleaned_data["password1"])
        return super().try_save(request)
