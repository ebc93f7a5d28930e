"""Pages of a staff session: in by the console's link, out by the banner's button."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from modelyard.core.http import request_id
from tenants import selectors as tenants
from tenants.controls import staff
from tenants.controls.services import staff as services


@require_GET
@never_cache
def enter(request: HttpRequest, link: str) -> HttpResponse:
    """Use a one-time link: set the cookie and open the workspace."""
    session, secret = services.session_open(link=link, request_id=request_id.of(request))
    tenant = tenants.tenant_get(session.tenant_id)
    response = redirect("web:home", tenant.slug)
    response.set_cookie(
        staff.cookie_name(),
        f"{tenant.pk.hex}.{session.pk.hex}.{secret}",
        expires=session.expires_at,
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Lax",
    )
    return response


@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    """End the session of this browser."""
    ticket = staff.ticket_of(request)
    session = staff.session_of(ticket) if ticket is not None else None
    if session is not None:
        services.session_leave(session=session, request_id=request_id.of(request))
    response = render(request, "controls/left.html", {"console": settings.OPS_URL})
    response.delete_cookie(staff.cookie_name(), samesite="Lax")
    return response
