"""Pages of a dataset's map: look at it, have it made, stop that."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from modelyard.core.errors import DomainError
from tenants.http import actor_of, requires, tenant_of
from training.datasets import services
from training.datasets.views import maps as views


@require_GET
@requires("data.read")
def map_page(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Show the map, or how far it is."""
    return render(request, "datasets/map.html", views.map_context(dataset_id))


@require_GET
@requires("data.read")
def map_progress(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Show how far the making is, as a fragment that fetches itself; at the end, the page anew."""
    context = views.work_context(dataset_id)
    response = render(request, "datasets/_map_work.html", context)
    if not context["work"]["moving"]:
        response["HX-Refresh"] = "true"
    return response


@require_POST
@requires("data.write")
def map_start(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Have a map made of the rows as they are now."""
    try:
        services.map_start(actor=actor_of(request), dataset_id=dataset_id)
    except DomainError as error:
        _refused(request, error)
    return redirect("datasets:embedding_map", tenant_of(request).slug, dataset_id)


@require_POST
@requires("data.write")
def map_cancel(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Stop making a map."""
    try:
        services.map_cancel(actor=actor_of(request), dataset_id=dataset_id)
    except DomainError as error:
        _refused(request, error)
    return redirect("datasets:embedding_map", tenant_of(request).slug, dataset_id)


def _refused(request: HttpRequest, error: DomainError) -> None:
    """Say on the page why not; what is not there is a page of its own."""
    if error.status == 404:
        raise error
    messages.error(request, error.message)
