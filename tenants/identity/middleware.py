"""Around every request: note that a device was used; answer for what sign-in leans on."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from allauth.socialaccount.models import SocialApp
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from redis.exceptions import RedisError
from requests import RequestException  # noqa: TID251 - allauth's client raises it

from modelyard.core import clock
from modelyard.core.errors import Unavailable
from modelyard.core.http import problem

SEEN_EVERY = 10 * 60.0
SEEN_MOST = 10_000
logger = structlog.get_logger(__name__)


class IdentityMiddleware:
    """Keep the list of devices current; refuse with a page, not a crash."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep the next handler."""
        self.get_response = get_response
        self._seen: dict[str, float] = {}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Note the device, then go on."""
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            self._note(request)
        return self.get_response(request)

    def _note(self, request: HttpRequest) -> None:
        """Write a device's last use at most every ten minutes a process, not at each request."""
        key = request.session.session_key
        now = time.monotonic()
        if key is None or now - self._seen.get(key, -SEEN_EVERY) < SEEN_EVERY:
            return
        if len(self._seen) >= SEEN_MOST:
            self._seen.clear()
        self._seen[key] = now
        UserSession.objects.filter(session_key=key).update(last_seen_at=clock.now())

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Refuse sign-in while its limits can't be counted or the provider does not answer.

        Without the counters nobody could tell a guess from the next, so nobody may guess.
        """
        if not request.path_info.startswith(reverse("account_login").removesuffix("login/")):
            return None
        if isinstance(error, SocialApp.DoesNotExist):
            return problem.not_found(request)
        if isinstance(error, RedisError):
            logger.error("identity.limits_down", error=type(error).__name__)
            sentence = _("Sign-in is paused for a moment. Who is signed in can go on working.")
        elif isinstance(error, RequestException):
            logger.error("identity.provider_down", error=type(error).__name__)
            sentence = _("The sign-in provider does not answer. Try again, or use another way.")
        elif isinstance(error, OSError):  # SMTP's errors are of this kind
            logger.error("identity.mail_down", error=type(error).__name__)
            sentence = _("The mail could not be sent. Try again in a minute.")
        else:
            return None
        refusal = Unavailable(sentence, code="sign_in_unavailable", retry_after=30)
        return problem.respond(request, refusal)
