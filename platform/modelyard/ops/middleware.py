"""Each request of a signed-in operator runs across tenants, in one transaction."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from tenants.scoping.context import ops_scope


class OpsScopeMiddleware:
    """Open `ops_scope` for staff; anybody else only reaches the sign-in page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Run the request; a refusal or an error keeps nothing."""
        if not (request.user.is_active and request.user.is_staff):
            return self.get_response(request)
        with ops_scope("ops console"):
            response = self.get_response(request)
            if response.status_code >= 400:
                transaction.set_rollback(True)
            return response
