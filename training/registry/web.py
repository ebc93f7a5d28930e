"""Pages of models: list, one with its versions, the files of a version."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tenants.http import requires, tenant_of
from training.registry import artifacts, selectors, views


@require_GET
@requires("models.read")
def model_list(request: HttpRequest) -> HttpResponse:
    """Show the workspace's models."""
    return render(request, "models/list.html", views.list_context(request.GET.get("cursor", "")))


@require_GET
@requires("models.read")
def model_detail(request: HttpRequest, model_id: uuid.UUID) -> HttpResponse:
    """Show a model: its versions, and the newest (or `?version=3`) in detail."""
    model = selectors.model_get(model_id)
    asked = request.GET.get("version", "")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 9 else None
    context = views.detail_context(model, tenant_of(request).slug, number=number)
    return render(request, "models/detail.html", context)


@require_GET
@requires("models.read")
def version_file(request: HttpRequest, version_id: uuid.UUID, name: str) -> HttpResponse:
    """Lead to the download of one file."""
    del request
    facts = selectors.version_file(version_id, name)
    return HttpResponseRedirect(artifacts.file_url(facts, name))
