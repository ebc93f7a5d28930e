"""The operator's second factor: what was enrolled in the product is asked for here.

The rows and the checks are allauth's (TOTP: RFC 6238); this adds that a code opens the
console once, whatever the tolerance, and that both doors share one cache of used codes.
"""

from __future__ import annotations

import hashlib

from allauth.mfa import app_settings
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.cache import cache
from django.utils.translation import gettext as _

from tenants.models import User

SESSION_KEY = "ops_second_factor"
"""Stands in a session of the console that was opened with a code."""

ENROL_PATH = "/accounts/2fa/"


def enrolled(user: User) -> bool:
    """Tell whether the person has an authenticator app (a passkey alone opens no console)."""
    rows = Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.TOTP)
    return bool(rows.exists())


def where_to_enrol() -> str:
    """Return the sentence for somebody who has none."""
    return _(
        "The console asks for a second factor and you have no authenticator app yet."
        " Sign in at %(url)s, add one, then come back."
    ) % {"url": f"{settings.SITE_URL}{ENROL_PATH}"}


def verify(user: User, code: str) -> bool:
    """Tell whether `code` is the person's, and use it up: a TOTP code or a recovery code."""
    typed = "".join(code.split()).replace("-", "")
    kinds = (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES)
    rows = Authenticator.objects.filter(user_id=user.pk, type__in=kinds)
    for row in sorted(rows, key=lambda row: kinds.index(row.type)):
        if row.wrap().validate_code(typed):
            if row.type == Authenticator.Type.TOTP and not _first_use(user, typed):
                return False
            row.refresh_from_db()
            row.record_usage()
            return True
    return False


def _first_use(user: User, code: str) -> bool:
    """Take the code; False when it was taken within all the time for which it counts."""
    seconds = app_settings.TOTP_PERIOD * (2 * app_settings.TOTP_TOLERANCE + 1)
    digest = hashlib.sha256(f"{user.pk} {code}".encode()).hexdigest()
    return bool(cache.add(f"ops-code:{digest}", 1, timeout=seconds))
