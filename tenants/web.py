"""Pages of the workspace's keys, and the making of a workspace."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from modelyard.core.errors import Invalid, NotFound
from tenants import selectors, services
from tenants.forms import KeyChangeForm, KeyForm, KeyRotateForm
from tenants.http import actor_of, requires, tenant_of
from tenants.identity.fresh import recently_authenticated
from tenants.models import ApiKey, User


def _shown(key: ApiKey) -> dict[str, object]:
    status = "revoked" if key.revoked_at else "active" if key.is_live else "expired"
    return {
        "id": key.pk,
        "name": key.name,
        "prefix": f"mdy_{key.public_id}_",
        "scopes": key.scopes,
        "addresses": key.addresses,
        "status": status,
        "created_at": key.created_at,
        "created_by": key.created_by,
        "last_used_at": key.last_used_at,
        "expires_at": key.expires_at,
    }


def _list_page(
    request: HttpRequest, form: KeyForm, created: dict[str, str] | None = None, status: int = 200
) -> HttpResponse:
    """Show all keys, those that work first; an answer with a key in it is kept nowhere."""
    keys: list[dict[str, object]] = []
    newer: set[uuid.UUID] = set()
    for key in selectors.key_list(tenant_of(request).pk).select_related("created_by"):
        keys.append({**_shown(key), "is_replaced": key.is_live and key.lineage in newer})
        newer |= {key.lineage} if key.is_live else set()
    keys.sort(key=lambda key: key["status"] != "active")
    context = {"keys": keys, "form": form, "created": created}
    return render(request, "keys/list.html", context, status=status)


@never_cache
@require_http_methods(["GET", "POST"])
@requires("keys.manage")
@recently_authenticated
def key_list(request: HttpRequest) -> HttpResponse:
    """Show the workspace's keys; a POST makes one and shows it this once."""
    if request.method != "POST":
        return _list_page(request, KeyForm())
    form = KeyForm(request.POST)
    if not form.is_valid():
        return _list_page(request, form, status=422)
    key, text = services.key_create(
        actor=actor_of(request),
        name=form.cleaned_data["name"],
        scopes=form.cleaned_data["scopes"],
        networks=form.cleaned_data["addresses"],
        expires_at=form.expires_at(),
    )
    return _list_page(request, KeyForm(), {"name": key.name, "secret": text})


def _key_of(request: HttpRequest, key_id: uuid.UUID) -> ApiKey:
    key = selectors.key_get(tenant_of(request).pk, key_id)
    if key is None:
        raise NotFound(_("There is no such key."))
    return key


def _key_page(
    request: HttpRequest, key: ApiKey, change: KeyChangeForm | None = None
) -> HttpResponse:
    first = {"name": key.name, "addresses": "\n".join(key.addresses)}
    line = selectors.key_live(key.tenant_id).filter(lineage=key.lineage).exclude(pk=key.pk)
    context = {
        "key": _shown(key),
        "other": line.first(),
        "change": change or KeyChangeForm(initial=first),
        "rotate": KeyRotateForm(),
    }
    return render(request, "keys/detail.html", context, status=422 if change else 200)


@require_http_methods(["GET", "POST"])
@requires("keys.manage")
@recently_authenticated
def key_detail(request: HttpRequest, key_id: uuid.UUID) -> HttpResponse:
    """Show a key; a POST changes its name and addresses."""
    key = _key_of(request, key_id)
    if request.method != "POST":
        return _key_page(request, key)
    form = KeyChangeForm(request.POST)
    if not form.is_valid():
        return _key_page(request, key, form)
    services.key_update(
        actor=actor_of(request),
        key_id=key_id,
        name=form.cleaned_data["name"],
        networks=form.cleaned_data["addresses"],
    )
    messages.success(request, _("Saved. The next request is judged by it."))
    return redirect("keys:detail", tenant_of(request).slug, key_id)


@never_cache
@require_POST
@requires("keys.manage")
@recently_authenticated
def key_rotate(request: HttpRequest, key_id: uuid.UUID) -> HttpResponse:
    """Make the key that follows another, and show it this once."""
    form = KeyRotateForm(request.POST)
    if not form.is_valid():
        raise Invalid(_("Choose when the old key ends."), code="overlap_range")
    actor = actor_of(request)
    key, text = services.key_rotate(actor=actor, key_id=key_id, overlap=form.overlap_of())
    return _list_page(request, KeyForm(), {"name": key.name, "secret": text})


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
