"""Staff sessions: made in the console, opened once by a link, ended by button, time or revoke."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import uuid

import structlog
from django.core import signing
from django.db.models import F, Func, Q, Value
from django.utils.translation import gettext_lazy as _

from modelyard.core import clock
from modelyard.core.errors import Conflict, Forbidden
from tenants import access, audit
from tenants.access import Actor
from tenants.controls import selectors
from tenants.controls.models import PATH_LENGTH, StaffSession
from tenants.controls.reasons import reason_clean
from tenants.controls.types import Operator
from tenants.scoping.context import ops_scope, tenant_scope

LENGTH = dt.timedelta(minutes=30)
LINK_SECONDS = 120
_SALT = "modelyard.staff-link"
logger = structlog.get_logger(__name__)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def session_make(
    *, operator: Operator, tenant_id: uuid.UUID, reason: str, may_write: bool = False
) -> tuple[StaffSession, str]:
    """Let an operator look into a workspace for 30 minutes.

    Returns:
        The session, and the text of the one-time link, which works for two minutes.

    Raises:
        Invalid: There is no reason.
    """
    why = reason_clean(reason)
    secret = secrets.token_urlsafe(32)
    with tenant_scope(tenant_id):
        session: StaffSession = StaffSession.objects.create(
            user_id=operator.user_id,
            who=operator.who,
            reason=why,
            may_write=may_write,
            expires_at=clock.now() + LENGTH,
            link_digest=_digest(secret),
        )
        _record(operator.acting_for(tenant_id), "staff.session_made", session, may_write=may_write)
    link = signing.dumps([tenant_id.hex, session.pk.hex, secret], salt=_SALT)
    return session, link


def session_open(*, link: str, request_id: str) -> tuple[StaffSession, str]:
    """Use a link: once, and within two minutes of its making.

    Returns:
        The session, and the secret for the cookie.

    Raises:
        Forbidden: `staff_link_invalid`.
    """
    refusal = Forbidden(
        _("This link was used before, or is older than two minutes. Make another in the console."),
        code="staff_link_invalid",
    )
    try:
        tenant, name, secret = signing.loads(link, salt=_SALT, max_age=LINK_SECONDS)
    except signing.BadSignature as error:
        raise refusal from error
    tenant_id, cookie, now = uuid.UUID(tenant), secrets.token_urlsafe(32), clock.now()
    with tenant_scope(tenant_id):
        rows = StaffSession.objects.filter(
            pk=uuid.UUID(name), link_digest=_digest(secret), opened_at=None, ended_at=None,
            expires_at__gt=now,
        )  # fmt: skip
        if not rows.update(opened_at=now, cookie_digest=_digest(cookie)):
            raise refusal
        session = StaffSession.objects.get(pk=uuid.UUID(name))
        _record(_actor(session, request_id), "staff.session_started", session)
    return session, cookie


def page_note(*, actor: Actor, session: StaffSession, method: str, path: str) -> None:
    """Write a page into the trail the first time that it is looked at, and every other request."""
    with tenant_scope(actor.tenant_id):
        if method != "GET":
            _record(actor, "staff.acted", session, method=method, path=path)
            return
        page = path[:PATH_LENGTH]
        rows = StaffSession.objects.filter(~Q(paths__contains=[page]), pk=session.pk)
        if rows.update(paths=Func(F("paths"), Value(page), function="array_append")):
            _record(actor, "staff.viewed", session, path=page)


def session_end(*, session: StaffSession, by: str, actor: Actor) -> None:
    """End a session; repeating is harmless.

    Args:
        session: Which.
        by: `button` or `revoked`.
        actor: Who ends it.
    """
    with tenant_scope(session.tenant_id):
        rows = StaffSession.objects.filter(pk=session.pk, ended_at=None)
        if rows.update(ended_at=clock.now(), ended_by=by):
            _record(actor, "staff.session_ended", session, ended_by=by)


def session_leave(*, session: StaffSession, request_id: str) -> None:
    """End a session by the button on its banner."""
    session_end(session=session, by="button", actor=_actor(session, request_id))


def session_revoke(
    *, operator: Operator, tenant_id: uuid.UUID, session_id: uuid.UUID, reason: str
) -> None:
    """End somebody's session from the console.

    Raises:
        Invalid: There is no reason.
        Conflict: It is over already, or there is none of that id.
    """
    why = reason_clean(reason)
    with tenant_scope(tenant_id):
        rows = StaffSession.objects.filter(pk=session_id, ended_at=None)
        session = rows.first()
        if session is None or not rows.update(ended_at=clock.now(), ended_by="revoked"):
            raise Conflict(_("This session is over already."), code="session_over")
        audit.record(
            operator.acting_for(tenant_id),
            "staff.session_ended",
            session,
            who=operator.who,
            reason=why,
            ended_by="revoked",
        )


def sessions_expire() -> int:
    """Write the end of sessions whose time is over; return how many. For the scheduler's login."""
    with ops_scope("staff sessions over"):
        over = selectors.staff_sessions_over(clock.now())
    for session in over:
        with tenant_scope(session.tenant_id):
            rows = StaffSession.objects.filter(pk=session.pk, ended_at=None)
            if rows.update(ended_at=session.expires_at, ended_by="time"):
                actor = access.system(session.tenant_id)
                _record(actor, "staff.session_ended", session, ended_by="time")
    return len(over)


def _actor(session: StaffSession, request_id: str) -> Actor:
    return Actor(
        kind="staff",
        id=str(session.user_id),
        tenant_id=session.tenant_id,
        request_id=request_id,
    )


def _record(actor: Actor, action: str, session: StaffSession, **facts: object) -> None:
    audit.record(actor, action, session, who=session.who, reason=session.reason, **facts)
