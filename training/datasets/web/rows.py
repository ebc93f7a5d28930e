"""The rows of a dataset: browsed, searched, and looked at one by one."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tenants.http import requires
from training.datasets import selectors
from training.datasets.views import rows as views


@require_GET
@requires("data.read")
def dataset_detail(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Show a dataset's rows, one of them in full where the address says so."""
    context = views.detail_context(dataset_id, request.GET.dict())
    return render(request, "datasets/detail.html", context)


@require_GET
@requires("data.read")
def dataset_rows(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Show a page of rows as a fragment."""
    dataset = selectors.dataset_get(dataset_id)
    given = request.GET.dict()
    context = views.rows_context(dataset.pk, views.filters_of(given), views.place_of(given))
    return render(request, "datasets/_rows.html", {"dataset": dataset, **context})
