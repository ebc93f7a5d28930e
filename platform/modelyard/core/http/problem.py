"""Errors on the wire: problem documents (RFC 9457) for programs, a page for people.

Nothing else renders an error, so every refusal has the same shape everywhere:
`type, title, status, code, detail, fields, request_id` and the error's own data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as later
from rest_framework import exceptions as drf
from rest_framework.response import Response

from modelyard.core import errors
from modelyard.core.http import request_id

CONTENT_TYPE = "application/problem+json"
logger = structlog.get_logger(__name__)

_TITLES = {
    400: later("Bad request"),
    401: later("Not signed in"),
    402: later("Plan limit reached"),
    403: later("Not allowed"),
    404: later("Not found"),
    405: later("Method not allowed"),
    406: later("Not acceptable"),
    409: later("Conflict"),
    413: later("Too large"),
    415: later("Unsupported media type"),
    422: later("Invalid input"),
    429: later("Too many requests"),
    500: later("Internal error"),
    503: later("Unavailable"),
}


def document(request: HttpRequest, error: errors.DomainError) -> dict[str, object]:
    """Return the problem document of `error`; its data never replaces what every one has."""
    return {
        **error.data,
        "type": f"urn:modelyard:problem:{error.code}",
        "title": str(_TITLES.get(error.status, _("Error"))),
        "status": error.status,
        "code": error.code,
        "detail": error.message,
        "request_id": request_id.of(request),
    }


def headers(error: errors.DomainError) -> dict[str, str]:
    """Return the headers an error asks for: `Retry-After`, `WWW-Authenticate`."""
    found: dict[str, str] = {}
    if "retry_after" in error.data:
        found["Retry-After"] = str(error.data["retry_after"])
    if error.status == 401:
        found["WWW-Authenticate"] = "Bearer"
    return found


def wants_json(request: HttpRequest) -> bool:
    """Tell whether the answer goes to a program."""
    path = request.path_info
    return path.startswith("/api/") or "/api/v1/" in path


def respond(request: HttpRequest, error: errors.DomainError) -> HttpResponse:
    """Render `error` for whoever asked: a problem document, or a page with the same facts."""
    body = document(request, error)
    if wants_json(request):
        return JsonResponse(
            body, status=error.status, content_type=CONTENT_TYPE, headers=headers(error)
        )
    if request.headers.get("HX-Request"):
        response = render(
            request, "components/problem.html", {"problem": body}, status=error.status
        )
    else:
        context = {**body, "sentence": body["detail"]}
        response = render(request, "errors/problem.html", context, status=error.status)
    for name, value in headers(error).items():
        response.headers[name] = value
    return response


def _flatten(detail: Any, path: str = "") -> list[dict[str, str]]:
    if isinstance(detail, Mapping):
        return [
            row
            for key, value in detail.items()
            for row in _flatten(value, f"{path}.{key}" if path else str(key))
        ]
    if isinstance(detail, list):
        return [row for value in detail for row in _flatten(value, path)]
    return [{"field": path or "body", "message": str(detail)}]


def _from_drf(error: drf.APIException) -> errors.DomainError:
    if isinstance(error, drf.ValidationError):
        fields = _flatten(error.detail)
        first = fields[0] if fields else {"field": "body", "message": ""}
        return errors.Invalid(f"{first['field']}: {first['message']}", fields=fields)
    kinds: list[tuple[type[drf.APIException], type[errors.DomainError], str]] = [
        (drf.NotAuthenticated, errors.Unauthenticated, ""),
        (drf.AuthenticationFailed, errors.Unauthenticated, ""),
        (drf.PermissionDenied, errors.Forbidden, ""),
        (drf.NotFound, errors.NotFound, ""),
        (drf.ParseError, errors.DomainError, "malformed"),
    ]
    for theirs, ours, code in kinds:
        if isinstance(error, theirs):
            return ours(str(error.detail), code=code)
    plain = errors.DomainError(str(error.detail), code=str(error.default_code))
    plain.status = error.status_code
    return plain


def translate(error: Exception) -> errors.DomainError | None:
    """Return the domain error that stands for `error`, or None for a bug of ours."""
    if isinstance(error, errors.DomainError):
        return error
    if isinstance(error, Http404):
        return errors.NotFound(_("There is no such thing here. Check the address."))
    if isinstance(error, PermissionDenied):
        return errors.Forbidden(_("You may not do this. Ask an owner of the workspace."))
    if isinstance(error, RequestDataTooBig):
        return errors.TooLarge(_("The body may have 2 MiB. Upload files instead."))
    if isinstance(error, drf.APIException):
        return _from_drf(error)
    return None


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's handler: one shape for every refusal (the tenant middleware rolls back)."""
    request: HttpRequest = context["request"]._request  # noqa: SLF001 - DRF has no public name
    known = translate(error)
    if known is None:
        return None
    return Response(
        document(request, known),
        status=known.status,
        headers=headers(known),
        content_type=CONTENT_TYPE,
    )


class ProblemMiddleware:
    """Render domain errors that a page's view raised."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass through."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer a domain error; leave bugs to the server-error page."""
        if isinstance(error, errors.DomainError):
            return respond(request, error)
        return None


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's 404 handler."""
    del exception
    return respond(request, errors.NotFound(_("There is no such thing here. Check the address.")))


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's 403 handler."""
    del exception
    return respond(request, errors.Forbidden(_("You may not do this.")))


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's 400 handler."""
    del exception
    return respond(request, errors.DomainError(_("The request can't be read."), code="malformed"))


def too_many(request: HttpRequest) -> HttpResponse:
    """allauth's 429 handler."""
    sentence = _("There were too many tries. Wait a minute, then try again.")
    return respond(request, errors.TooMany(sentence, retry_after=60))


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's 500 handler: says that it is ours, and names the request."""
    error = errors.DomainError(
        _(
            "Something broke on our side, and nothing was changed. Try again; if it stays,"
            " send us the request id."
        ),
        code="internal_error",
    )
    error.status = 500
    return respond(request, error)
