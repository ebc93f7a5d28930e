"""Signing in to the console: a password, then a code, and few tries of each."""

from __future__ import annotations

import hashlib
from typing import Any

import structlog
from django import forms
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as later
from redis.exceptions import RedisError
from unfold.forms import AuthenticationForm

from modelyard.ops import roles, second_factor
from tenants.models import User

TRIES = 10
CODE_TRIES = 5
WINDOW_SECONDS = 600
logger = structlog.get_logger(__name__)


class LoginForm(AuthenticationForm):  # type: ignore[misc]
    """Unfold's form, with at most 10 failed tries in 10 minutes for an address from a host."""

    def clean(self) -> dict[str, Any]:
        """Count the try before the password is looked at; a success forgets the count.

        Raises:
            ValidationError: Wrong, not staff, without a second factor, or tried too often.
        """
        key = self._key()
        take_try(key, TRIES, _("Too many failed tries for this address."))
        cleaned: dict[str, Any] = super().clean()
        cache.delete(key)
        return cleaned

    def confirm_login_allowed(self, user: AbstractBaseUser) -> None:
        """Let only operators with a role and a second factor go on to the code.

        Raises:
            ValidationError: The sentence says what is missing and where to get it.
        """
        super().confirm_login_allowed(user)
        if not isinstance(user, User) or not roles.roles_of(user):
            raise ValidationError(
                _(
                    "You have no role in the console. Whoever runs this site gives you one"
                    " with `modelyard staff add`."
                ),
                code="no_role",
            )
        if not second_factor.enrolled(user):
            raise ValidationError(second_factor.where_to_enrol(), code="no_second_factor")

    def _key(self) -> str:
        address = str(self.cleaned_data.get("username", "")).strip().lower()
        host = self.request.META.get("REMOTE_ADDR", "") if self.request else ""
        return f"ops-login:{hashlib.sha256(f'{host} {address}'.encode()).hexdigest()}"


class CodeForm(forms.Form):
    """The second factor of somebody whose password was right; 5 wrong codes close the door."""

    code = forms.CharField(
        label=later("Code"),
        max_length=32,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}
        ),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_code(self) -> str:
        """Count the try, then check; a right code forgets the count.

        Raises:
            ValidationError: Wrong, used before, or tried too often.
        """
        key = f"ops-code-tries:{self.user.pk}"
        take_try(key, CODE_TRIES, _("Too many wrong codes."))
        code = str(self.cleaned_data["code"])
        if not second_factor.verify(self.user, code):
            logger.warning("ops_code_wrong", user=str(self.user.pk))
            raise ValidationError(
                _("This code is wrong or was used before. Wait for the next one and type that."),
                code="wrong_code",
            )
        cache.delete(key)
        return code


def take_try(key: str, most: int, sentence: str) -> None:
    """Count one more try under `key`.

    Raises:
        ValidationError: There were `most` in the last ten minutes, or nothing can be counted.
    """
    try:
        tries = _count(key)
    except RedisError as error:
        logger.exception("ops_login_uncounted")
        raise ValidationError(
            _("Signing in is closed while Valkey does not answer. Start it and try again."),
            code="unavailable",
        ) from error
    if tries > most:
        logger.warning("ops_login_limited", tries=tries)
        raise ValidationError(
            _("%(what)s Wait ten minutes, then try again.") % {"what": sentence},
            code="rate_limited",
        )


def _count(key: str) -> int:
    """Count one more try; the window starts with the first one."""
    cache.add(key, 0, timeout=WINDOW_SECONDS)
    try:
        return int(cache.incr(key))
    except ValueError:  # its window ended between the two lines
        cache.set(key, 1, timeout=WINDOW_SECONDS)
        return 1
