"""Sign-up on django-allauth: an address, a password, a six-digit code; then a workspace."""

from __future__ import annotations

import secrets
import string
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter

from tenants import selectors, services


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Our two differences from allauth's defaults."""

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

    def confirm_email(self, request: Any, email_address: Any) -> bool:
        """Confirm the address; the first time, make the person's workspace."""
        confirmed = bool(super().confirm_email(request, email_address))
        user = email_address.user
        if confirmed and not selectors.membership_list(user=user).exists():
            services.tenant_create(user=user, name=services.workspace_name_for(user.email))
        return confirmed
