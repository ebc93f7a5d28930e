"""Pages around the deletion of a dataset."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from modelyard.core.errors import DomainError
from tenants.http import actor_of, requires, tenant_of
from training.datasets import services
from training.datasets.views import deletions as views


@require_http_methods(["GET", "POST"])
@requires("data.delete")
def dataset_delete(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Show what was made from a dataset, and delete it once its name is typed."""
    context = views.delete_context(dataset_id)
    if request.method == "GET":
        return render(request, "datasets/delete.html", context)
    name = request.POST.get("name", "")
    try:
        services.dataset_delete(actor=actor_of(request), dataset_id=dataset_id, name=name)
    except DomainError as error:
        refused = {**context, "refused": error.message, "typed": name}
        return render(request, "datasets/delete.html", refused, status=error.status)
    messages.success(request, _("“%(name)s” is deleted.") % {"name": context["dataset"].name})
    return redirect("datasets:list", tenant_of(request).slug)


@require_GET
@requires("data.read")
def deletion_list(request: HttpRequest) -> HttpResponse:
    """Show how far deletions are, as a fragment that fetches itself."""
    return render(request, "datasets/_deletions.html", views.open_context())


@require_POST
@requires("data.delete")
def deletion_retry(request: HttpRequest, deletion_id: uuid.UUID) -> HttpResponse:
    """Go on with a deletion that failed."""
    services.deletion_retry(actor=actor_of(request), deletion_id=deletion_id)
    return redirect("datasets:list", tenant_of(request).slug)
