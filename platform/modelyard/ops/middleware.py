"""Each request of a signed-in operator runs across tenants, in one transaction."""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.defaults import bad_request

from modelyard.ops import roles, second_factor
from tenants.scoping.context import ops_scope


class OpsScopeMiddleware:
    """Open `ops_scope` for an operator with a second factor; others only reach the sign-in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Run the request; a refusal or an error keeps nothing."""
        if "%00" in request.META.get("QUERY_STRING", ""):
            return bad_request(request, BadRequest("U+0000 in the address"))
        opened = second_factor.SESSION_KEY in request.session
        if not (opened and roles.roles_of(request.user)):
            return self.get_response(request)
        with ops_scope("ops console"):
            response = self.get_response(request)
            if response.status_code >= 400:
                transaction.set_rollback(True)
            return response
