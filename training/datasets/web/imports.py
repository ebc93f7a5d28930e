"""Pages of the import wizard: upload, map columns, watch."""

from __future__ import annotations

import uuid
from typing import Any

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
from training.datasets import encodings, selectors, services
from training.datasets.models import Upload
from training.datasets.views import imports as views
from training.datasets.wire import uploads as wire

ROLES = (
    ("keep", lazy("Kept beside")),
    ("text", lazy("Text")),
    ("label", lazy("Label")),
    ("ignore", lazy("Not imported")),
)


DELIMITERS = (
    (",", lazy("Comma")),
    ("tab", lazy("Tab")),
    (";", lazy("Semicolon")),
    ("|", lazy("Vertical bar")),
    ("", lazy("None (one column)")),
)


SHOWN_REJECTS = 50


SHOWN_WAITING = 20


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
            text, label, keep = _roles(request, upload)
            services.import_start(
                actor=actor_of(request),
                upload_id=upload.pk,
                text=text,
                label=label,
                reading={"keep": keep},
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
        refusal = wire.refusal(upload)
        if refusal is not None:
            context["problem"] = {"title": _("Not read that way"), "status": 422, **refusal}
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


def _chosen(request: HttpRequest, upload: Upload) -> dict[str, list[str]]:
    """Return the columns of each role that the form names."""
    chosen: dict[str, list[str]] = {"text": [], "label": [], "keep": [], "ignore": []}
    for index, name in enumerate(upload.preview.get("columns", [])):
        chosen.get(request.POST.get(f"role_{index}", "keep"), []).append(name)
    return chosen


def _roles(request: HttpRequest, upload: Upload) -> tuple[str, str | None, list[str]]:
    """Return the text and label columns that the form names, and those kept beside."""
    chosen = _chosen(request, upload)
    if len(chosen["text"]) != 1 or len(chosen["label"]) > 1:
        raise Invalid(
            _("Choose exactly one column as the text, and one or none as the label."),
            code="columns_unclear",
        )
    return chosen["text"][0], next(iter(chosen["label"]), None), chosen["keep"]


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
            parts=_parts(request, upload),
        )
    except DomainError as error:
        return _map_page(request, upload, error)
    return redirect("datasets:map", tenant_of(request).slug, dataset_id, upload.pk)


def _parts(request: HttpRequest, upload: Upload) -> dict[str, Any]:
    """Return format, part and columns as the form has them; what it doesn't name is guessed."""
    parts: dict[str, Any] = {"member": request.POST.get("member") or None}
    if request.POST.get("format", "") != upload.format:
        return {**parts, "format": request.POST.get("format") or None}
    chosen = _chosen(request, upload)
    if "role_0" in request.POST and len(chosen["text"]) == 1:
        label = next(iter(chosen["label"]), "")
        parts |= {"text": chosen["text"][0], "label": label, "keep": chosen["keep"]}
    return {**parts, "format": upload.mapping.get("format")}


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
    queued = importing and upload.started_at is None
    others = selectors.upload_moving(upload.dataset_id).exclude(pk=upload.pk)
    context: dict[str, Any] = {
        "progress": {
            "percent": progress.percent if importing and upload.started_at else None,
            "rows": upload.rows_read,
            "total": None,
            "eta": progress.eta_seconds,
            "speed": progress.rows_per_second,
            "waits": queued and others.exists(),
            "clearing": not importing and upload.lease_until is not None,
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
    return redirect("datasets:detail", tenant_of(request).slug, dataset_id)


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
