"""Pages of datasets: list, rows and versions, and the import wizard."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from billing import entitlements
from modelyard.core import storage
from modelyard.core.errors import DomainError, Invalid
from tenants.http import actor_of, long_lived, requires, tenant_of
from training.datasets import encodings, selectors, services, views, wire
from training.datasets.models import Upload

ROLES = (("ignore", lazy("Not imported")), ("text", lazy("Text")), ("label", lazy("Label")))
DELIMITERS = (
    (",", lazy("Comma")),
    ("tab", lazy("Tab")),
    (";", lazy("Semicolon")),
    ("|", lazy("Vertical bar")),
    ("", lazy("None (one column)")),
)
SHOWN_REJECTS = 50
SHOWN_WAITING = 20


class DatasetForm(forms.Form):
    """A new dataset."""

    name = forms.CharField(
        label=lazy("Name"), max_length=120, help_text=lazy("For example: support tickets")
    )


def _detail_url(request: HttpRequest, dataset_id: uuid.UUID) -> str:
    return reverse("datasets:detail", args=[tenant_of(request).slug, dataset_id])


@require_GET
@requires("data.read")
def dataset_list(request: HttpRequest) -> HttpResponse:
    """Show the workspace's datasets."""
    context = views.list_context(request.GET.get("cursor", ""))
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
def dataset_detail(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Show a dataset: its rows, or its versions."""
    context = views.detail_context(dataset_id, _filters(request), request.GET.get("cursor", ""))
    context["tab"] = "versions" if request.GET.get("tab") == "versions" else "rows"
    return render(request, "datasets/detail.html", context)


@require_GET
@requires("data.read")
def dataset_rows(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Show a page of rows as a fragment."""
    dataset = selectors.dataset_get(dataset_id)
    context = views.rows_context(dataset.pk, _filters(request), request.GET.get("cursor", ""))
    return render(request, "datasets/_rows.html", {"dataset": dataset, **context})


def _filters(request: HttpRequest) -> dict[str, str]:
    wanted = {name: request.GET.get(name, "").replace("\x00", "") for name in ("q", "label")}
    split = request.GET.get("split", "")
    return {**wanted, "split": split if split in {"train", "validation", "test"} else ""}


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
        return redirect(_detail_url(request, dataset_id))
    messages.success(request, _("Version %(n)d is being frozen.") % {"n": version.number})
    return redirect(f"{_detail_url(request, dataset_id)}?tab=versions")


@require_GET
@requires("data.write")
def import_upload(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Show the first step: choose a file; the browser sends it to the store by itself."""
    dataset = selectors.dataset_get(dataset_id)
    tenant = tenant_of(request)
    waiting = [
        {
            "id": upload.pk,
            "filename": upload.filename,
            "bytes": upload.bytes,
            "parts_url": reverse("tenant-api:upload-parts", args=[tenant.slug, upload.pk]),
            "abort_url": reverse("tenant-api:upload-abandon", args=[tenant.slug, upload.pk]),
        }
        for upload in selectors.upload_receiving(dataset_id)[:SHOWN_WAITING]
    ]
    context = {
        "dataset": dataset,
        "step": "upload",
        "start_url": reverse("tenant-api:dataset-uploads", args=[tenant.slug, dataset.pk]),
        "max_bytes": entitlements.file_limit(tenant.pk),
        "waiting": waiting,
    }
    return render(request, "datasets/import.html", context)


def _upload_of(dataset_id: uuid.UUID, upload_id: uuid.UUID) -> Upload:
    upload = selectors.upload_get(upload_id)
    selectors.dataset_get(dataset_id)
    if upload.dataset_id != dataset_id:
        return selectors.upload_get(uuid.UUID(int=0))
    return upload


@require_http_methods(["GET", "POST"])
@requires("data.write")
def import_map(request: HttpRequest, dataset_id: uuid.UUID, upload_id: uuid.UUID) -> HttpResponse:
    """Show the file's columns to confirm, or how far its import is."""
    upload = _upload_of(dataset_id, upload_id)
    slug = tenant_of(request).slug
    if request.method == "POST":
        try:
            text, label = _roles(request, upload)
            services.import_start(
                actor=actor_of(request), upload_id=upload.pk, text=text, label=label
            )
        except DomainError as error:
            return _map_page(request, upload, error)
        return redirect("datasets:map", slug, dataset_id, upload.pk)
    if upload.status == Upload.Status.RECEIVING:
        return redirect("datasets:import", slug, dataset_id)
    return _map_page(request, upload)


def _map_page(
    request: HttpRequest, upload: Upload, error: DomainError | None = None
) -> HttpResponse:
    context: dict[str, Any] = {"dataset": upload.dataset, "upload": upload}
    if upload.status == Upload.Status.MAPPING:
        context |= views.mapping_context(upload, request.POST)
        context |= {
            "step": "map",
            "roles": ROLES,
            "encodings": [(name, name.upper()) for name in encodings.CODECS],
            "delimiters": DELIMITERS,
        }
    else:
        context |= {**_progress_context(upload), "step": "import"}
    if error is not None:
        context["problem"] = {
            "title": _("Not imported yet"),
            "detail": error.message,
            "code": error.code,
            "status": error.status,
        }
    return render(request, "datasets/import.html", context, status=error.status if error else 200)


def _roles(request: HttpRequest, upload: Upload) -> tuple[str, str | None]:
    """Return the text and label columns that the form names."""
    chosen: dict[str, list[str]] = {"text": [], "label": []}
    for index, name in enumerate(upload.preview.get("columns", [])):
        role = request.POST.get(f"role_{index}", "ignore")
        if role in chosen:
            chosen[role].append(name)
    if len(chosen["text"]) != 1 or len(chosen["label"]) > 1:
        raise Invalid(
            _("Choose exactly one column as the text, and one or none as the label."),
            code="columns_unclear",
        )
    return chosen["text"][0], next(iter(chosen["label"]), None)


@require_POST
@requires("data.write")
def import_inspect(
    request: HttpRequest, dataset_id: uuid.UUID, upload_id: uuid.UUID
) -> HttpResponse:
    """Read the file again with the encoding, delimiter and header that were set by hand."""
    upload = _upload_of(dataset_id, upload_id)
    delimiter = request.POST.get("delimiter")
    try:
        services.upload_inspect_again(
            actor=actor_of(request),
            upload_id=upload.pk,
            encoding=request.POST.get("encoding") or None,
            delimiter="\t" if delimiter == "tab" else delimiter,
            header=request.POST.get("header") == "on" if delimiter is not None else None,
        )
    except DomainError as error:
        return _map_page(request, upload, error)
    return redirect("datasets:map", tenant_of(request).slug, dataset_id, upload.pk)


@require_GET
@requires("data.read")
def import_progress(
    request: HttpRequest, dataset_id: uuid.UUID, upload_id: uuid.UUID
) -> HttpResponse:
    """Show how far an import is, as a fragment that fetches itself."""
    upload = _upload_of(dataset_id, upload_id)
    if upload.status == Upload.Status.MAPPING:
        slug = tenant_of(request).slug
        target = reverse("datasets:map", args=[slug, dataset_id, upload.pk])
        return HttpResponse(headers={"HX-Redirect": target})
    context = {"dataset": upload.dataset, "upload": upload, **_progress_context(upload)}
    return render(request, "datasets/_import_progress.html", context)


def _progress_context(upload: Upload) -> dict[str, Any]:
    progress = selectors.upload_progress(upload)
    importing = upload.status == Upload.Status.IMPORTING
    context: dict[str, Any] = {
        "progress": {
            "percent": progress.percent if importing and upload.started_at else None,
            "rows": upload.rows_read,
            "total": None,
            "eta": progress.eta_seconds,
            "speed": progress.rows_per_second,
        },
        "result": {
            "rows": upload.rows_added,
            "repeats": upload.rows_repeated,
            "rejected": upload.rows_rejected,
        },
        "rejects": wire.reject_rows(upload)[:SHOWN_REJECTS],
    }
    refusal = wire.refusal(upload)
    if refusal is not None:
        context["problem"] = {"title": _("This file was not imported"), "status": 422, **refusal}
    return context


@long_lived
@require_POST
@requires("data.write")
def import_abandon(
    request: HttpRequest, dataset_id: uuid.UUID, upload_id: uuid.UUID
) -> HttpResponse:
    """Stop an import; nothing of it stays."""
    services.upload_abandon(actor=actor_of(request), upload_id=upload_id)
    messages.success(request, _("The import was stopped. Nothing of it was kept."))
    return redirect(_detail_url(request, dataset_id))


@require_GET
@requires("data.read")
def import_rejects(
    request: HttpRequest, dataset_id: uuid.UUID, upload_id: uuid.UUID
) -> HttpResponse:
    """Download the rejected rows."""
    upload = _upload_of(dataset_id, upload_id)
    key = selectors.rejects_key(upload.pk)
    del request
    return redirect(storage.presign_get(key, filename=f"rejected-rows-{upload.pk}.csv"))
