"""Pages of a dataset's health: what is wrong with the rows, and fixes."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from modelyard.core.errors import DomainError
from tenants.http import actor_of, requires, tenant_of
from training.datasets import selectors, services
from training.datasets.views import health as views


@require_GET
@requires("data.read")
def health(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Show what each check found."""
    return render(request, "datasets/health.html", views.health_context(dataset_id))


@require_POST
@requires("data.write")
def health_run(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Run every check, or the one named `kind`."""
    kind = request.POST.get("kind")
    kinds = {"kinds": [kind]} if kind else {}
    try:
        services.checks_start(actor=actor_of(request), dataset_id=dataset_id, **kinds)
    except DomainError as error:
        _refused(request, error)
    return redirect("datasets:health", tenant_of(request).slug, dataset_id)


@require_POST
@requires("data.write")
def health_cancel(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Stop the checks that wait or run."""
    services.checks_cancel(actor=actor_of(request), dataset_id=dataset_id)
    return redirect("datasets:health", tenant_of(request).slug, dataset_id)


@require_GET
@requires("data.write")
def health_fix(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Show what a fix would do to the first rows."""
    selectors.dataset_get(dataset_id)
    try:
        context = views.fix_context(dataset_id, request.GET.get("kind", ""))
    except DomainError as error:
        _refused(request, error)
        return redirect("datasets:health", tenant_of(request).slug, dataset_id)
    return render(request, "datasets/health_fix.html", context)


@require_POST
@requires("data.write")
def health_apply(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Have a fix applied."""
    try:
        services.change_start(
            actor=actor_of(request),
            dataset_id=dataset_id,
            kind=request.POST.get("kind", ""),
            params={},
        )
    except DomainError as error:
        _refused(request, error)
    return redirect("datasets:health", tenant_of(request).slug, dataset_id)


@require_POST
@requires("data.write")
def health_undo(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Undo the newest change of the dataset's rows."""
    dataset = selectors.dataset_get(dataset_id)
    change = selectors.change_list(dataset.pk).first()
    if change is None:
        messages.error(request, _("There is nothing to undo here."))
    else:
        try:
            services.change_undo(actor=actor_of(request), change_id=change.pk)
        except DomainError as error:
            _refused(request, error)
    return redirect("datasets:health", tenant_of(request).slug, dataset_id)


def _refused(request: HttpRequest, error: DomainError) -> None:
    """Say on the page why not; an unknown dataset is a page of its own."""
    if error.status == 404:
        raise error
    messages.error(request, error.message)
