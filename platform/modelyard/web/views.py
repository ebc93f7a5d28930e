"""Pages of the shell: the way in, home, the job tray, theme, health."""

from __future__ import annotations

from urllib.parse import quote

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from billing.plans import CHOSEN_PLAN
from modelyard.core import storage, valkey
from modelyard.core.errors import DomainError
from modelyard.web import selectors
from modelyard.web.context import THEMES
from tenants.http import tenant_of
from tenants.models import User
from tenants.selectors import membership_list

ONE_YEAR = 365 * 24 * 3600


@require_GET
@login_required
def root(request: HttpRequest) -> HttpResponse:
    """Lead a signed-in person to their workspace, or to making one.

    Who came from a plan's button on the pricing page goes on to buying it.
    """
    user = request.user
    place = membership_list(user=user).first() if isinstance(user, User) else None
    if place is None:
        return redirect("workspace-new")
    plan = request.session.pop(CHOSEN_PLAN, "")
    if plan:
        return redirect(f"{reverse('usage:index', args=[place.tenant.slug])}?plan={quote(plan)}")
    return redirect("web:home", place.tenant.slug)


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Show the checklist and what happened last."""
    return render(request, "web/home.html", selectors.home(tenant_of(request)))


@require_GET
def tray(request: HttpRequest) -> HttpResponse:
    """Return the job tray of the sidebar."""
    return render(request, "web/_tray.html", {"jobs": selectors.jobs_at_work(tenant_of(request))})


@require_GET
def api_docs(request: HttpRequest) -> HttpResponse:
    """Show the API's documentation."""
    return render(request, "web/api_docs.html")


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Remember light, dark, or the system's choice; go back to the page."""
    chosen = request.POST.get("theme", "")
    following = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(following, allowed_hosts={request.get_host()}):
        following = "/"
    response = redirect(following)
    if chosen in THEMES:
        response.set_cookie(
            "theme", chosen, max_age=ONE_YEAR, samesite="Lax", httponly=True, secure=settings.TLS
        )
    else:
        response.delete_cookie("theme")
    return response


@require_GET
def livez(request: HttpRequest) -> HttpResponse:
    """Say that the process answers."""
    del request
    return JsonResponse({"status": "ok"})


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("select 1 from tenants_tenant limit 1")


def _queue() -> None:
    valkey.cache().ping()
    valkey.serving().ping()


def _objects() -> None:
    storage.facts("health/probe")


@require_GET
def readyz(request: HttpRequest) -> HttpResponse:
    """Say which of the parts answer: 200 when all do, else 503."""
    del request
    parts: dict[str, str] = {}
    for name, probe in (("database", _database), ("valkey", _queue), ("storage", _objects)):
        try:
            probe()
        except (DomainError, OSError, Exception) as error:  # noqa: BLE001 - the probe's very purpose
            parts[name] = type(error).__name__
        else:
            parts[name] = "ok"
    ready = set(parts.values()) == {"ok"}
    return JsonResponse({"ready": ready, **parts}, status=200 if ready else 503)
