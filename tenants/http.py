"""The one place where a request gets its tenant and its actor.

`/t/<slug>/...` is a signed-in member's, `/api/v1/...` is a key's. The view then runs inside
`tenant_scope`, which makes it one transaction. Views with `long_lived = True` open short
scopes themselves; views with `own_door = True` also check their caller themselves.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import structlog
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from modelyard.core.errors import DomainError, NotFound, Unauthenticated
from modelyard.core.http import problem, request_id
from tenants import access, addresses, selectors
from tenants.access import Actor
from tenants.controls import staff, suspension
from tenants.identity import fresh
from tenants.limits import gate
from tenants.models import Tenant, User
from tenants.scoping.context import tenant_scope

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def long_lived(view: View) -> View:
    """Mark a function view that opens its own short scopes."""
    view.long_lived = True  # type: ignore[attr-defined]
    return view


def own_door(view: View) -> View:
    """Mark a function view that authenticates its caller itself."""
    view.own_door = True  # type: ignore[attr-defined]
    return view


def paid(view: View) -> View:
    """Mark a function view whose POST starts work that costs money (`tenants.limits.gate`)."""
    view.paid = True  # type: ignore[attr-defined]
    return view


def requires(permission: str) -> Callable[[View], View]:
    """Refuse a page to members without `permission`."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            access.require(actor_of(request), permission)
            return view(request, *args, **kwargs)

        checked.permission = permission  # type: ignore[attr-defined]
        return checked  # type: ignore[return-value]

    return decorate


def plain(request: HttpRequest | Request) -> HttpRequest:
    """Return Django's request inside DRF's, which has no public name for it."""
    return request._request if isinstance(request, Request) else request  # noqa: SLF001


def actor_of(request: HttpRequest | Request) -> Actor:
    """Return who acts.

    Raises:
        Unauthenticated: Nobody does.
    """
    actor = getattr(plain(request), "actor", None)
    if not isinstance(actor, Actor):
        raise Unauthenticated(
            _("Send an API key: `Authorization: Bearer mdy_...`. Make one under API keys.")
        )
    return actor


def tenant_of(request: HttpRequest | Request) -> Tenant:
    """Return the tenant of the request."""
    tenant: Tenant = plain(request).tenant  # type: ignore[attr-defined]
    return tenant


def key_in(request: HttpRequest) -> str:
    """Return the key that the request carries, or ''."""
    header = request.headers.get("Authorization", "")
    scheme, _sep, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    return request.headers.get("X-Api-Key", "").strip()


def _has(view: Callable[..., Any], flag: str) -> bool:
    owner = getattr(view, "cls", None) or getattr(view, "view_class", None)
    return bool(getattr(view, flag, False) or getattr(owner, flag, False))


def _enter_by_session(request: HttpRequest, slug: str) -> None:
    entered = staff.enter(request, slug)
    if entered is not None:
        request.tenant, request.actor = entered  # type: ignore[attr-defined]
        return
    user = request.user
    if not isinstance(user, User):
        raise Unauthenticated(_("Sign in first."), code="signed_out")
    membership = selectors.membership_find(user=user, slug=slug)
    if membership is None:
        raise NotFound(_("There is no such workspace, or you are not a member of it."))
    suspension.require_member_may_enter(request, membership)
    request.tenant = membership.tenant  # type: ignore[attr-defined]
    request.actor = Actor(  # type: ignore[attr-defined]
        kind="user",
        id=str(user.pk),
        tenant_id=membership.tenant_id,
        permissions=access.ROLE_PERMISSIONS[membership.role],
        request_id=request_id.of(request),
    )


def _enter_by_key(request: HttpRequest) -> None:
    text = key_in(request)
    if not text:
        return
    key = suspension.key_find(text)
    if key is None:
        raise Unauthenticated(
            _("This API key is unknown, expired or revoked. Make a new one under API keys."),
            code="key_invalid",
        )
    address = request.META.get("REMOTE_ADDR", "")
    if not addresses.allowed(key.addresses, address):
        raise addresses.refusal(address)
    granted = frozenset().union(*(access.SCOPE_PERMISSIONS[scope] for scope in key.scopes))
    request.tenant = key.tenant  # type: ignore[attr-defined]
    request.actor = Actor(  # type: ignore[attr-defined]
        kind="key",
        id=str(key.pk),
        tenant_id=key.tenant_id,
        permissions=granted,
        request_id=request_id.of(request),
    )


def _name_in_log(actor: Actor | None, kwargs: dict[str, Any]) -> None:
    """Bind whose request this is to every line of the log; the next request clears it."""
    if actor is not None:
        named = {name: str(value) for name, value in kwargs.items() if name == "run_id"}
        structlog.contextvars.bind_contextvars(
            tenant_id=str(actor.tenant_id), actor=f"{actor.kind}:{actor.id}", **named
        )


def _sign_in_first(request: HttpRequest) -> HttpResponse:
    """Send the person to the sign-in page and from there back.

    A page that only asked for a part of itself goes there whole: a redirect would be followed by
    its script, and the sign-in page put where the part was.
    """
    if not request.headers.get("HX-Request"):
        return redirect_to_login(request.get_full_path(), settings.LOGIN_URL)
    target = redirect_to_login(fresh.page_of(request), settings.LOGIN_URL)["Location"]
    return HttpResponse(status=204, headers={"HX-Redirect": target})


class TenantMiddleware:
    """Find tenant and actor, then run the view inside the tenant's scope."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass through."""
        return self.get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponseBase],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        """Run the view for its tenant; answer refusals in the caller's own format."""
        by_session = request.path_info.startswith("/t/")
        by_key = request.path_info.startswith("/api/")
        if not (by_session or by_key):
            return None
        return gate.stamp(request, self._answer(request, view, args, kwargs, by_session=by_session))

    def _answer(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponseBase],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        by_session: bool,
    ) -> HttpResponseBase:
        own_door = _has(view, "own_door")
        try:
            if by_session:
                _enter_by_session(request, kwargs.pop("slug"))
            elif not own_door:
                _enter_by_key(request)
            actor: Actor | None = getattr(request, "actor", None)
            _name_in_log(actor, kwargs)
            paid_for = request.method == "POST" and _has(view, "paid")
            with gate.admitted(request, None if own_door else actor, paid=paid_for):
                if actor is None or _has(view, "long_lived"):
                    return view(request, *args, **kwargs)
                return self._scoped(actor.tenant_id, request, view, args, kwargs)
        except Unauthenticated as error:
            if by_session and not problem.wants_json(request):
                return _sign_in_first(request)
            return problem.respond(request, error)
        except suspension.Suspended as error:
            return suspension.respond(request, error)
        except DomainError as error:
            return problem.respond(request, error)

    def _scoped(
        self,
        tenant_id: uuid.UUID,
        request: HttpRequest,
        view: Callable[..., HttpResponseBase],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> HttpResponseBase:
        with tenant_scope(tenant_id):
            response = view(request, *args, **kwargs)
            # A refusal that DRF rendered (no exception reaches us) must keep nothing.
            if response.status_code >= 400:
                transaction.set_rollback(True)
            return response


class ActorAuthentication(BaseAuthentication):
    """DRF: hand on the actor that the middleware found; sessions also need the CSRF token."""

    def authenticate(self, request: Request) -> tuple[Any, Actor] | None:
        """Return user (or None for a key) and actor."""
        inner = plain(request)
        actor: Actor | None = getattr(inner, "actor", None)
        if actor is None:
            return None
        if actor.kind in {"user", "staff"}:
            SessionAuthentication().enforce_csrf(request)
        return (inner.user, actor)

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme, so that DRF answers 401 and not 403."""
        del request
        return "Bearer"


class ActorPermission(BasePermission):
    """DRF: each view says which permission each method needs (`permissions`)."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Raise the sentence that fits, or pass."""
        if getattr(view, "public", False):
            return True
        actor = actor_of(request)
        needed = view.permissions.get(request.method)
        if needed is not None:
            access.require(actor, needed)
        return True
