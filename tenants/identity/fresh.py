"""Dangerous acts need a sign-in, or a confirmation, that is minutes old and not days.

`recently_authenticated` is for views of any app; allauth's own pages follow the same rule
through `tenants.accounts.AccountAdapter.is_reauthentication_required`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from modelyard.core import clock
from modelyard.core.errors import Forbidden

View = TypeVar("View", bound=Callable[..., HttpResponseBase])
SIGNED_IN_AT = "identity.signed_in_at"
"""Session key: when this browser was signed in, in seconds since 1970; sign-up counts."""


def is_fresh(request: HttpRequest) -> bool:
    """Tell whether the person signed in, or confirmed who they are, in the last minutes."""
    records = get_authentication_records(request, request.user)
    signed_in = float(request.session.get(SIGNED_IN_AT, 0.0))
    newest = max([signed_in, *(float(record["at"]) for record in records)])
    age = clock.now().timestamp() - newest
    return age < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT


def _back_to(request: HttpRequest) -> str:
    """Return where to go on: this page, or for a form the page that holds it."""
    return request.get_full_path() if request.method in {"GET", "HEAD"} else page_of(request)


def page_of(request: HttpRequest) -> str:
    """Return the page of this site that holds the form or the part that was asked for, or '/'."""
    page = request.headers.get("HX-Current-URL") or request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(page, allowed_hosts={request.get_host()}):
        return "/"
    parts = urlsplit(page)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path or "/"


def confirm_first(request: HttpRequest) -> HttpResponse:
    """Send the person to confirm who they are, and from there back.

    A form's content is not kept: the person is asked to send it again.
    """
    if request.method not in {"GET", "HEAD"}:
        messages.info(request, _("Nothing was changed yet: confirm who you are, then do it again."))
    query = urlencode({"next": _back_to(request)})
    target = f"{reverse('account_reauthenticate')}?{query}"
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": target})
    return redirect(target)


def require_fresh(request: HttpRequest) -> None:
    """For the API by session: pass keys, and people whose sign-in is minutes old.

    Raises:
        Forbidden: The page has to ask the person first.
    """
    if request.user.is_authenticated and not is_fresh(request):
        raise Forbidden(
            _("Sign in again first: this needs a sign-in that is minutes old."),
            code="reauthentication_needed",
        )


def recently_authenticated(view: View) -> View:
    """Guard a page's view: reading (GET) passes, changes need a fresh sign-in."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method in {"GET", "HEAD", "OPTIONS"} or is_fresh(request):
            return view(request, *args, **kwargs)
        return confirm_first(request)

    return checked  # type: ignore[return-value]
