"""What differs from allauth's defaults: second factors and sign-in with others.

Sign-up's adapter is `tenants.accounts.AccountAdapter`.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import structlog
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as later

from tenants.models import User

logger = structlog.get_logger(__name__)


def _vault() -> MultiFernet:
    """Return the cipher of TOTP seeds: the first secret encrypts, older ones still decrypt."""
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    digests = [hashlib.sha256(f"identity.totp:{secret}".encode()).digest() for secret in secrets]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])


class MfaAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Seeds are encrypted at rest; passkeys have names that say what they are."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": later("This code is wrong, or it was used before. Take the next one."),
        "unverified_email": later("Confirm your new address first, under Profile."),
    }

    def encrypt(self, text: str) -> str:
        """Encrypt a seed."""
        return _vault().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Decrypt a seed."""
        return _vault().decrypt(encrypted_text.encode()).decode()

    def generate_authenticator_name(self, user: User, type: str) -> str:  # noqa: A002 - allauth's name
        """Return the name that the form suggests."""
        number = Authenticator.objects.filter(user=user, type=type).count() + 1
        return _("Passkey") if number == 1 else _("Passkey %(number)d") % {"number": number}

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Return the site as authenticators show it; the id is the host that browsers see."""
        return {**super().get_public_key_credential_rp_entity(), "name": "Modelyard"}


class SocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """An address counts as proven only if the provider is known to prove addresses."""

    error_messages = {
        **DefaultSocialAccountAdapter.error_messages,
        "no_password": later("Set a password first: this is your only way to sign in."),
    }

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: Any) -> User:
        """Take the name over."""
        user: User = super().populate_user(request, sociallogin, data)
        parts = [data.get("first_name") or "", data.get("last_name") or ""]
        user.name = (data.get("name") or " ".join(parts)).strip()[:120]
        return user

    def can_authenticate_by_email(self, login: SocialLogin, email: str) -> bool:
        """Link to an existing account only by an address that the provider itself hands out.

        Google vouches for gmail.com and for the domains of its customers (claim `hd`); any
        other address was typed by its user once and may belong to someone else by now.
        """
        if not super().can_authenticate_by_email(login, email):
            return False
        if login.account.provider == "google":
            return email.lower().endswith("@gmail.com") or bool(login.account.extra_data.get("hd"))
        return True

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Ask for a code by mail where the provider's word is not enough."""
        del request
        for address in sociallogin.email_addresses:
            if not self.can_authenticate_by_email(sociallogin, address.email):
                address.verified = False

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        """Log why a provider's answer was not taken: the person is told only that it was not."""
        del request, extra_context
        logger.warning(
            "identity.provider_refused",
            provider=provider.app.provider_id or provider.id,
            error=str(error or ""),
            reason=str(exception or ""),
        )
