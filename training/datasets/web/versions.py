"""Pages of versions: freezing, one version, comparing two."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from modelyard.core import storage
from modelyard.core.errors import DomainError, Invalid, NotFound
from tenants.http import actor_of, requires, tenant_of
from training.datasets import card, selectors, services
from training.datasets.views import versions as views


@require_GET
@requires("data.read")
def version_list(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Show a dataset's versions, newest first, and how to freeze one."""
    return render(request, "datasets/versions.html", views.versions_context(dataset_id))


@require_POST
@requires("data.write")
def dataset_freeze(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Freeze a version; a refusal comes back as a sentence on the dataset's page."""
    try:
        version = services.version_freeze(
            actor=actor_of(request), dataset_id=dataset_id, **_options(request)
        )
    except DomainError as error:
        if error.status == 404:
            raise
        messages.error(request, error.message)
        page = "datasets:versions" if "seed" in request.POST else "datasets:detail"
        return redirect(page, tenant_of(request).slug, dataset_id)
    messages.success(request, _("Version %(n)d is being frozen.") % {"n": version.number})
    return redirect("datasets:versions", tenant_of(request).slug, dataset_id)


def _options(request: HttpRequest) -> dict[str, Any]:
    """Return what the form says; {} where it is only a button."""
    given = request.POST
    if "seed" not in given:
        return {}
    try:
        seed = int(given["seed"] or 0)
        shares = [float(given.get(name) or 0) / 100 for name in ("train", "validation", "test")]
        per_row = int(given.get("per_row") or 1)
    except ValueError as error:
        raise Invalid(
            _("Seed and shares are numbers. Correct them and freeze again."), code="not_a_number"
        ) from error
    options: dict[str, Any] = {
        "seed": seed,
        "shares": shares,
        "grouping": {"by": given.get("grouping", "near"), "field": given.get("field", "")},
        "stratified": "stratified" in given,
    }
    if operations := given.getlist("operations"):
        lines = [line.strip() for line in given.get("templates", "").splitlines()]
        options["augmentation"] = {
            "operations": operations,
            "per_row": per_row,
            "templates": [line for line in lines if line],
        }
    return options


@require_POST
@requires("data.write")
def dataset_words(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Replace the word list for augmentation."""
    try:
        text = request.POST.get("words", "").replace("\x00", "")
        words = services.words_set(actor=actor_of(request), dataset_id=dataset_id, text=text)
    except Invalid as error:
        messages.error(request, error.message)
    else:
        messages.success(request, _("The list has %(n)d words now.") % {"n": len(words)})
    return redirect("datasets:versions", tenant_of(request).slug, dataset_id)


@require_GET
@requires("data.read")
def version_detail(request: HttpRequest, version_id: uuid.UUID) -> HttpResponse:
    """Show one version: facts, splits, labels, where it comes from and where it went."""
    return render(request, "datasets/version.html", views.version_context(version_id))


@require_GET
@requires("data.read")
def version_card(request: HttpRequest, version_id: uuid.UUID) -> HttpResponse:
    """Download the data card."""
    del request
    version = selectors.version_row(version_id)
    answer = HttpResponse(card.card_text(version), content_type="text/markdown; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="data-card-v{version.number}.md"'
    return answer


@require_GET
@requires("data.read")
def version_rows(request: HttpRequest, version_id: uuid.UUID) -> HttpResponse:
    """Download the rows as Parquet."""
    del request
    facts = selectors.version_get(version_id)
    name = f"{facts.dataset_name} v{facts.number}.parquet"
    return redirect(storage.presign_get(facts.rows_key, filename=name))


def _cancel(request: HttpRequest, version_id: uuid.UUID) -> None:
    services.version_cancel(actor=actor_of(request), version_id=version_id)
    messages.success(request, _("Freezing was stopped."))


def _restore(request: HttpRequest, version_id: uuid.UUID) -> None:
    services.version_restore(actor=actor_of(request), version_id=version_id)
    messages.success(request, _("The version is being restored. You can undo that as a change."))


def _delete(request: HttpRequest, version_id: uuid.UUID) -> None:
    name = request.POST.get("name", "")
    services.version_delete(actor=actor_of(request), version_id=version_id, name=name)
    messages.success(request, _("The version is being deleted."))


def _notes(request: HttpRequest, version_id: uuid.UUID) -> None:
    notes = request.POST.get("notes", "").replace("\x00", "")
    services.version_describe(actor=actor_of(request), version_id=version_id, notes=notes)
    messages.success(request, _("The data card was saved."))


_ACTS: dict[str, Callable[[HttpRequest, uuid.UUID], None]] = {
    "cancel": _cancel,
    "restore": _restore,
    "delete": _delete,
    "notes": _notes,
}


@require_POST
@requires("data.write")
def version_act(request: HttpRequest, version_id: uuid.UUID) -> HttpResponse:
    """Stop, restore, delete or describe a version; a refusal comes back as a sentence."""
    selectors.version_row(version_id)
    act = _ACTS.get(request.POST.get("act", ""))
    slug = tenant_of(request).slug
    try:
        if act is None:
            raise Invalid(_("Choose what to do with the version."), code="act_unknown")
        act(request, version_id)
    except DomainError as error:
        if error.status == 404:
            raise
        messages.error(request, error.message)
    return redirect("datasets:version", slug, version_id)


@require_POST
@requires("data.read")
def version_compare(request: HttpRequest, version_id: uuid.UUID) -> HttpResponse:
    """Compare a version with another, or with the rows of today."""
    slug = tenant_of(request).slug
    try:
        chosen = request.POST.get("with", "")
        other = uuid.UUID(chosen) if chosen else None
        comparison = services.comparison_start(
            actor=actor_of(request), before_id=version_id, after_id=other
        )
    except ValueError:
        messages.error(request, _("Choose a version to compare with."))
    except DomainError as error:
        if error.status == 404:
            raise
        messages.error(request, error.message)
    else:
        return redirect("datasets:comparison", slug, comparison.pk)
    return redirect("datasets:version", slug, version_id)


@require_GET
@requires("data.read")
def comparison_detail(request: HttpRequest, comparison_id: uuid.UUID) -> HttpResponse:
    """Show what differs, or how far the comparison is."""
    kind, after = request.GET.get("kind", ""), request.GET.get("after", "")
    context = views.comparison_context(comparison_id, kind, after)
    return render(request, "datasets/comparison.html", context)


@require_GET
@requires("data.read")
def comparison_file(request: HttpRequest, comparison_id: uuid.UUID, kind: str) -> HttpResponse:
    """Download all rows that differ, as CSV or JSON Lines."""
    del request
    one = selectors.comparison_get(comparison_id)
    if kind not in {"csv", "jsonl"} or not one.files_key:
        raise NotFound(_("There is no such file. Wait until the comparison is done."))
    return redirect(
        storage.presign_get(f"{one.files_key}/rows.{kind}", filename=f"comparison.{kind}")
    )
