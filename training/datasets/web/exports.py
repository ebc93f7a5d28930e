"""The tab of a dataset's exports."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from modelyard.core import storage
from modelyard.core.errors import DomainError
from tenants.http import actor_of, requires, tenant_of
from training.datasets import exported, services
from training.datasets.views import exports as views


@require_GET
@requires("data.read")
def export_list(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Show what may be exported, and what was."""
    return render(request, "datasets/exports.html", views.exports_context(dataset_id))


@require_POST
@requires("data.write")
def export_start(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Start an export; a refusal comes back as a sentence."""
    version = request.POST.get("version", "")
    try:
        services.export_start(
            actor=actor_of(request),
            dataset_id=dataset_id,
            name=request.POST.get("format", ""),
            version_id=uuid.UUID(version) if version else None,
        )
    except ValueError:
        messages.error(request, _("There is no such version. Choose one of the list."))
    except DomainError as error:
        if error.status == 404:
            raise
        messages.error(request, error.message)
    return redirect("datasets:exports", tenant_of(request).slug, dataset_id)


@require_GET
@requires("data.read")
def export_file(
    request: HttpRequest, dataset_id: uuid.UUID, rows_export_id: uuid.UUID
) -> HttpResponse:
    """Redirect to an export's file."""
    del request
    export = exported.export_file(dataset_id, rows_export_id)
    return redirect(storage.presign_get(export.storage_key, filename=export.filename))
