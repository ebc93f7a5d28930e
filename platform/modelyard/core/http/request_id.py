"""Every request gets an id: in the log, in the answer's header, in every problem document."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from modelyard.core import ids

HEADER = "X-Request-Id"


class RequestIdMiddleware:
    """Mint `request.id` at the door; a client's own id is never trusted as ours."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Bind the id for every line of the log that this request writes."""
        request_id = f"req_{ids.new().hex}"
        request.META["modelyard.request_id"] = request_id
        # Kept until the thread's next request: Django writes "Not Found" after all middlewares.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        response = self.get_response(request)
        response.headers[HEADER] = request_id
        return response


def of(request: HttpRequest) -> str:
    """Return the id of this request."""
    return str(request.META.get("modelyard.request_id", ""))
