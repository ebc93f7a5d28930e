"""The door for operators: a cookie of its own opens one workspace, as support, for a while."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils.translation import gettext as _

from modelyard.core import clock
from modelyard.core.errors import Forbidden
from modelyard.core.http import request_id
from tenants import access
from tenants.access import Actor
from tenants.controls import selectors
from tenants.controls.models import StaffSession
from tenants.controls.services import staff as services
from tenants.models import Tenant
from tenants.scoping.context import tenant_scope

MAY_READ = access.READ | {"audit.read"}
MAY_WRITE = MAY_READ | access.BUILD
FRAME = frozenset({"web:tray"})
"""What the frame of each page fetches by itself: no page that somebody looks at."""


class Ticket(NamedTuple):
    """What the cookie holds."""

    tenant_id: uuid.UUID
    session_id: uuid.UUID
    secret: str


def cookie_name() -> str:
    """Return the cookie's name."""
    return "__Host-staff" if settings.SESSION_COOKIE_SECURE else "staff"


def ticket_of(request: HttpRequest) -> Ticket | None:
    """Return what the request's cookie holds; None when it holds nothing that can be read."""
    parts = request.COOKIES.get(cookie_name(), "").split(".")
    try:
        tenant, session, secret = parts
        return Ticket(uuid.UUID(tenant), uuid.UUID(session), secret)
    except ValueError:
        return None


def session_of(ticket: Ticket) -> StaffSession | None:
    """Return the session whose cookie this is, over or not."""
    with tenant_scope(ticket.tenant_id):
        found: StaffSession | None = StaffSession.objects.filter(pk=ticket.session_id).first()
    digest = hashlib.sha256(ticket.secret.encode()).hexdigest()
    if found is None or not hmac.compare_digest(found.cookie_digest, digest):
        return None
    return found


def enter(request: HttpRequest, slug: str) -> tuple[Tenant, Actor] | None:
    """Return tenant and actor of a staff session in the workspace of that slug; None is nobody's.

    Each page writes its line into the workspace's trail once a session, each change every time.

    Raises:
        Forbidden: `staff_session_ended`, or `staff_read_only` for what is more than a look.
    """
    ticket = ticket_of(request)
    if ticket is None:
        return None
    tenant = Tenant.objects.filter(pk=ticket.tenant_id, slug=slug).first()
    session = session_of(ticket) if tenant is not None else None
    if tenant is None or session is None:
        return None
    if not _is_live(session):
        if request.user.is_authenticated:
            return None
        raise Forbidden(
            _("This support session is over. Start another one from the console."),
            code="staff_session_ended",
        )
    if request.method != "GET" and not session.may_write:
        raise Forbidden(
            _("This support session is for viewing only; nothing was changed."),
            code="staff_read_only",
        )
    # Never the operator's own place here, should they also be signed in.
    request.user = AnonymousUser()
    request.staff_session = session  # type: ignore[attr-defined]
    actor = Actor(
        kind="staff",
        id=str(session.user_id),
        tenant_id=tenant.pk,
        permissions=MAY_WRITE if session.may_write else MAY_READ,
        request_id=request_id.of(request),
    )
    match = request.resolver_match
    if match is None or match.view_name not in FRAME:
        services.page_note(
            actor=actor, session=session, method=request.method or "", path=request.path_info
        )
    return tenant, actor


def _is_live(session: StaffSession) -> bool:
    if session.ended_at is not None or session.expires_at <= clock.now():
        return False
    return selectors.operator_find(session.user_id) is not None
