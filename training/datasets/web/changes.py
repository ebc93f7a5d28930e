"""Pages of changes: order one, look at how far it is, undo it."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from modelyard.core.errors import Conflict, DomainError, NotFound
from tenants.http import actor_of, requires, tenant_of
from training.datasets import selectors, services
from training.datasets.models import Change
from training.datasets.services.changes import kind_get
from training.datasets.views import changes as views
from training.datasets.views.frame import frame_context
from training.datasets.views.rows import filters_of


@require_GET
@requires("data.read")
def change_list(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Show what was changed in a dataset, newest first."""
    context = views.changes_context(dataset_id, request.GET.get("cursor", ""))
    return render(request, "datasets/changes.html", context)


@require_POST
@requires("data.write")
def change_new(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Change the chosen rows; all that match are shown first, as they are and as they'd be."""
    filters = {name: value for name, value in filters_of(request.POST.dict()).items() if value}
    kind, params = _order(request, filters)
    back = reverse("datasets:detail", args=[tenant_of(request).slug, dataset_id])
    try:
        if "filters" in params["selection"] and "confirmed" not in request.POST:
            found = services.change_preview(dataset_id=dataset_id, kind=kind, params=params)
            context = {
                **frame_context(dataset_id, "rows"),
                "kind": kind,
                "title": kind_get(kind).title,
                "value": request.POST.get("value", ""),
                "filters": filters,
                "rows": views.preview_rows(found),
            }
            return render(request, "datasets/change_new.html", context)
        change = services.change_start(
            actor=actor_of(request), dataset_id=dataset_id, kind=kind, params=params
        )
    except NotFound:
        raise
    except DomainError as error:
        messages.error(request, error.message)
        return redirect(f"{back}?{urlencode(filters)}")
    return redirect(f"{back}?{urlencode({**filters, 'change': str(change.pk)})}")


def _order(request: HttpRequest, filters: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """Return the kind and the params that the form means."""
    kind = request.POST.get("kind", "")
    params: dict[str, Any] = {"selection": {"ids": request.POST.getlist("ids")}}
    if "all" in request.POST:
        params = {"selection": {"filters": filters}}
    value = request.POST.get("value", "").replace("\x00", "")
    if kind == "relabel":
        params["label"] = value
    elif kind in {"tag", "untag"}:
        params["tag"] = value
    return kind, params


@require_GET
@requires("data.read")
def change_progress(
    request: HttpRequest, dataset_id: uuid.UUID, change_id: uuid.UUID
) -> HttpResponse:
    """Show how far a change is, as a fragment that fetches itself."""
    change = _change_of(dataset_id, change_id)
    context = {"dataset": change.dataset, "change": views.change_facts(change)}
    return render(request, "datasets/_change.html", context)


@require_POST
@requires("data.write")
def change_undo(request: HttpRequest, dataset_id: uuid.UUID, change_id: uuid.UUID) -> HttpResponse:
    """Undo a change, or stop it and undo what it did."""
    change = _change_of(dataset_id, change_id)
    try:
        services.change_undo(actor=actor_of(request), change_id=change.pk)
    except Conflict as error:
        messages.error(request, error.message)
    slug = tenant_of(request).slug
    page = "detail" if request.POST.get("from") == "rows" else "changes"
    asked = f"?{urlencode({'change': str(change.pk)})}" if page == "detail" else ""
    return redirect(f"{reverse(f'datasets:{page}', args=[slug, dataset_id])}{asked}")


def _change_of(dataset_id: uuid.UUID, change_id: uuid.UUID) -> Change:
    change = selectors.change_get(change_id)
    if change.dataset_id != dataset_id:
        return selectors.change_get(uuid.UUID(int=0))
    return change
