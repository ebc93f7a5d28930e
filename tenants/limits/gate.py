"""Where the limits stand: in front of the API, and of everything that costs money.

Not counted, each for its reason:

- health checks, sign-in and static files: they have no tenant; sign-in has allauth's own limits;
- event streams (`/t/<slug>/.../events`): one stays open for minutes, so it would hold a slot for
  nothing; `modelyard.core.live` closes them by itself;
- pages: a person clicks them; only those that start paid work are counted;
- predictions (`own_door`): the door counts them in its own atomic step, with the queue.

When the limiter can't be reached, reads and ordinary writes go on uncounted, and paid work
(`paid = True` on the view) is refused: an hour without limits may cost reads, never money.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from modelyard.core.errors import TooMany, Unavailable
from tenants.access import Actor
from tenants.limits import limiter
from tenants.limits.allowance import allowances_of
from tenants.limits.limiter import Decision, LimiterDown, Reading

logger = structlog.get_logger(__name__)
DOWN_RETRY_SECONDS = 5


def note(request: HttpRequest, reading: Reading | None) -> None:
    """Keep what the caller may still do, for the answer's headers."""
    request.rate = reading  # type: ignore[attr-defined]


def stamp(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Put the rate headers on an answer, where the request was counted."""
    reading: Reading | None = getattr(request, "rate", None)
    if reading is not None:
        for name, value in reading.headers().items():
            response.headers[name] = value
    return response


@contextmanager
def admitted(request: HttpRequest, actor: Actor | None, *, paid: bool) -> Iterator[None]:
    """Hold one of the caller's slots for the time of the block.

    Args:
        request: The request, for its headers.
        actor: Who; nobody is not counted, and is refused by the view.
        paid: The request starts work that costs money.

    Raises:
        TooMany: `rate_limited` or `busy`, with the time to wait.
        Unavailable: `limiter_unavailable`: paid work while the limiter is out of reach.
    """
    counted = "/api/v1/" in request.path_info or paid
    if actor is None or not counted:
        yield
        return
    slot = uuid.uuid4().hex
    name = f"{actor.kind}:{actor.id}"
    if not _enter(request, actor, name, slot, paid=paid):
        yield
        return
    try:
        yield
    finally:
        _leave(actor, name, slot)


def _enter(request: HttpRequest, actor: Actor, name: str, slot: str, *, paid: bool) -> bool:
    """Take a slot; False when there is none to give back."""
    allowed = allowances_of(actor.tenant_id)
    key_id = actor.id if actor.kind == "key" else ""
    if allowed.unlimited and not key_id:
        return False
    try:
        decision = limiter.admit(
            tenant_id=actor.tenant_id, actor=name, allowed=allowed, slot=slot, key_id=key_id
        )
    except LimiterDown as error:
        logger.warning("limiter_down", tenant_id=str(actor.tenant_id), why=str(error.__cause__))
        if paid and not allowed.unlimited:
            raise Unavailable(
                _("The limits can't be checked at the moment, so nothing was started. Try again."),
                code="limiter_unavailable",
                retry_after=DOWN_RETRY_SECONDS,
            ) from error
        return False
    note(request, decision.reading)
    if decision.verdict != "ok":
        raise _refusal(decision)
    return not allowed.unlimited


def _refusal(decision: Decision) -> TooMany:
    if decision.verdict == "busy":
        return TooMany(
            _("Too many requests of yours are under way; wait for some to end."),
            code="busy",
            retry_after=1,
        )
    return TooMany(
        _("Too many requests; wait %(seconds)d s before the next.")
        % {"seconds": decision.wait_seconds},
        code="rate_limited",
        retry_after=decision.wait_seconds,
    )


def _leave(actor: Actor, name: str, slot: str) -> None:
    try:
        limiter.release(tenant_id=actor.tenant_id, actor=name, slot=slot)
    except LimiterDown as error:
        # It ends by itself within a minute.
        logger.warning("slot_not_released", why=str(error.__cause__))
