"""Pages of frozen versions."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from modelyard.core.errors import DomainError
from tenants.http import actor_of, requires, tenant_of
from training.datasets import services
from training.datasets.views import versions as views


@require_GET
@requires("data.read")
def version_list(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Show a dataset's versions, newest first."""
    return render(request, "datasets/versions.html", views.versions_context(dataset_id))


@require_POST
@requires("data.write")
def dataset_freeze(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Freeze a version; a refusal comes back as a sentence on the dataset's page."""
    try:
        version = services.version_freeze(actor=actor_of(request), dataset_id=dataset_id)
    except DomainError as error:
        if error.status == 404:
            raise
        messages.error(request, error.message)
        return redirect("datasets:detail", tenant_of(request).slug, dataset_id)
    messages.success(request, _("Version %(n)d is being frozen.") % {"n": version.number})
    return redirect("datasets:versions", tenant_of(request).slug, dataset_id)
