"""No U+0000 in what a form or an address sends: PostgreSQL keeps no text with it.

A page's own checks may forget it, and the answer would be a 500; JSON bodies have
`modelyard.core.http.parsers`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from modelyard.core.errors import DomainError
from modelyard.core.http import problem

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def _has_nul(fields: QueryDict) -> bool:
    return any("\0" in value for _name, values in fields.lists() for value in values)


class NulMiddleware:
    """Refuse a form or a query that holds U+0000."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass through."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: object, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        """Look after the CSRF check, which has read a form's body; no other body is read here."""
        del args, kwargs
        is_form = request.content_type in FORMS and not getattr(view, "csrf_exempt", False)
        if _has_nul(request.GET) or (is_form and _has_nul(request.POST)):
            sentence = _("The request holds a NUL character. Remove it, then send it again.")
            return problem.respond(request, DomainError(sentence, code="malformed"))
        return None
