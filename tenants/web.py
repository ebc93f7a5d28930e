"""Pages of the workspace's keys, and the making of a workspace."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from modelyard.core import clock
from modelyard.core.errors import Invalid
from tenants import selectors, services
from tenants.forms import KeyForm
from tenants.http import actor_of, requires, tenant_of
from tenants.models import ApiKey, User


def _shown(key: ApiKey) -> dict[str, object]:
    ended = key.expires_at is not None and key.expires_at <= clock.now()
    return {
        "id": key.pk,
        "name": key.name,
        "prefix": f"mdy_{key.public_id}_",
        "scopes": key.scopes,
        "status": "revoked" if key.revoked_at else "expired" if ended else "active",
        "created_at": key.created_at,
        "last_used_at": key.last_used_at,
        "expires_at": key.expires_at,
    }


@require_http_methods(["GET", "POST"])
@requires("keys.manage")
def key_list(request: HttpRequest) -> HttpResponse:
    """Show the workspace's keys; a POST makes one and shows it this once."""
    form = KeyForm(request.POST or None)
    created, status = None, 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            key, text = services.key_create(
                actor=actor_of(request),
                name=form.cleaned_data["name"],
                scopes=form.cleaned_data["scopes"],
                expires_at=form.expires_at(),
            )
            created, status, form = {"name": key.name, "secret": text}, 200, KeyForm()
    keys = [_shown(key) for key in selectors.key_list(tenant_of(request).pk)]
    context = {"keys": keys, "form": form, "created": created}
    return render(request, "keys/list.html", context, status=status)


@require_POST
@requires("keys.manage")
def key_revoke(request: HttpRequest, key_id: uuid.UUID) -> HttpResponse:
    """Revoke a key."""
    key = services.key_revoke(actor=actor_of(request), key_id=key_id)
    messages.success(request, _("The key %(name)s is revoked.") % {"name": key.name})
    return redirect("keys:list", tenant_of(request).slug)


@login_required
@require_http_methods(["GET", "POST"])
def tenant_new(request: HttpRequest) -> HttpResponse:
    """Make another workspace."""
    user = request.user
    if not isinstance(user, User):
        raise Invalid(_("Sign in first."))
    error = ""
    if request.method == "POST":
        try:
            tenant = services.tenant_create(user=user, name=request.POST.get("name", ""))
        except Invalid as refusal:
            error = refusal.message
        else:
            return redirect("web:home", tenant.slug)
    first = services.workspace_name_for(user.email)
    return render(
        request,
        "account/workspace_new.html",
        {"error": error, "name": request.POST.get("name", first)},
        status=422 if error else 200,
    )
