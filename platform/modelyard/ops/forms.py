"""Signing in to the console: a password, and few tries."""

from __future__ import annotations

import hashlib
from typing import Any

import structlog
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from redis.exceptions import RedisError
from unfold.forms import AuthenticationForm

TRIES = 10
WINDOW_SECONDS = 600
logger = structlog.get_logger(__name__)


class LoginForm(AuthenticationForm):  # type: ignore[misc]
    """Unfold's form, with at most 10 failed tries in 10 minutes for an address from a host."""

    def clean(self) -> dict[str, Any]:
        """Count the try before the password is looked at; a success forgets the count.

        Raises:
            ValidationError: Wrong, not staff, or tried too often.
        """
        key = self._key()
        try:
            tries = _count(key)
        except RedisError as error:
            logger.exception("ops_login_uncounted")
            raise ValidationError(
                _("Signing in is closed while Valkey does not answer. Start it and try again."),
                code="unavailable",
            ) from error
        if tries > TRIES:
            logger.warning("ops_login_limited", tries=tries)
            raise ValidationError(
                _("Too many failed tries for this address. Wait ten minutes, then try again."),
                code="rate_limited",
            )
        cleaned: dict[str, Any] = super().clean()
        cache.delete(key)
        return cleaned

    def _key(self) -> str:
        address = str(self.cleaned_data.get("username", "")).strip().lower()
        host = self.request.META.get("REMOTE_ADDR", "") if self.request else ""
        return f"ops-login:{hashlib.sha256(f'{host} {address}'.encode()).hexdigest()}"


def _count(key: str) -> int:
    """Count one more try; the window starts with the first one."""
    cache.add(key, 0, timeout=WINDOW_SECONDS)
    try:
        return int(cache.incr(key))
    except ValueError:  # its window ended between the two lines
        cache.set(key, 1, timeout=WINDOW_SECONDS)
        return 1
