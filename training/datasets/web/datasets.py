"""Pages of datasets: the list, a new one, and what was imported."""

from __future__ import annotations

import uuid

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_GET, require_http_methods

from modelyard.core.errors import Invalid
from tenants.http import actor_of, requires, tenant_of
from training.datasets import services
from training.datasets.views import datasets as views
from training.datasets.views import deletions


class DatasetForm(forms.Form):
    """A new dataset."""

    name = forms.CharField(
        label=lazy("Name"), max_length=120, help_text=lazy("For example: support tickets")
    )


@require_GET
@requires("data.read")
def dataset_list(request: HttpRequest) -> HttpResponse:
    """Show the workspace's datasets."""
    context = views.list_context(request.GET.get("cursor", "")) | deletions.open_context()
    return render(request, "datasets/list.html", context)


@require_http_methods(["GET", "POST"])
@requires("data.write")
def dataset_new(request: HttpRequest) -> HttpResponse:
    """Make a dataset, then go on to its first file."""
    form = DatasetForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            dataset = services.dataset_create(
                actor=actor_of(request), name=form.cleaned_data["name"]
            )
        except Invalid as error:
            form.add_error("name", error.message)
        else:
            return redirect("datasets:import", tenant_of(request).slug, dataset.pk)
    status = 422 if request.method == "POST" else 200
    return render(request, "datasets/new.html", {"form": form}, status=status)


@require_GET
@requires("data.read")
def dataset_imports(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Show what was imported into a dataset, newest first."""
    context = views.imports_context(dataset_id, request.GET.get("cursor", ""))
    return render(request, "datasets/imports.html", context)
