"""Pages of labelling: projects, one project, and the page on which people label."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from modelyard.core.errors import DomainError, Invalid
from tenants.http import actor_of, requires, tenant_of
from training.datasets import selectors as datasets
from training.labeling import selectors, services, views
from training.labeling.services.leases import owner_of

PREFETCH = 20
FIELD_OF = {
    "name_missing": "name", "name_long": "name", "name_taken": "name", "labels_few": "labels",
    "labels_many": "labels", "label_long": "labels", "guidelines_long": "guidelines",
    "nothing_to_label": "rows",
}  # fmt: skip
"""Which field a refusal belongs to."""


class ProjectForm(forms.Form):
    """A new labelling project."""

    dataset = forms.ChoiceField(label=lazy("Dataset"))
    name = forms.CharField(
        label=lazy("Name"), max_length=120, help_text=lazy("For example: October queue")
    )
    labels = forms.CharField(
        label=lazy("Labels"),
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text=lazy("One a line, in the order of their keys: 1 to 9, 0, then q, w, e, r…"),
    )
    rows = forms.ChoiceField(
        label=lazy("Rows to label"),
        widget=forms.RadioSelect,
        initial="unlabelled",
        choices=[
            ("unlabelled", lazy("Rows without a label")),
            ("all", lazy("All rows, to check and correct their labels")),
        ],
    )
    guidelines = forms.CharField(
        label=lazy("Guideline"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text=lazy("What each label means, for the people who label. Optional."),
    )


def _form(request: HttpRequest) -> ProjectForm:
    """Return the form with the workspace's datasets, filled in as far as is known."""
    choices = [(str(row.pk), row.name) for row in datasets.dataset_list()[:500]]
    wanted = request.GET.get("dataset", "")
    initial: dict[str, Any] = {}
    if wanted in dict(choices):
        known = list(datasets.label_counts(uuid.UUID(wanted)))
        initial = {"dataset": wanted, "labels": "\n".join(known)}
    form = ProjectForm(request.POST or None, initial=initial)
    field = form.fields["dataset"]
    if isinstance(field, forms.ChoiceField):
        field.choices = choices
    return form


@require_GET
@requires("data.read")
def project_list(request: HttpRequest) -> HttpResponse:
    """Show the workspace's labelling projects."""
    context = views.list_context(request.GET.get("cursor", ""))
    return render(request, "labeling/list.html", context)


@require_http_methods(["GET", "POST"])
@requires("data.write")
def project_new(request: HttpRequest) -> HttpResponse:
    """Make a project over a dataset's rows."""
    form = _form(request)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            project = services.project_create(
                actor=actor_of(request),
                dataset_id=uuid.UUID(given["dataset"]),
                name=given["name"],
                labels=given["labels"].splitlines(),
                guidelines=given["guidelines"],
                labelled_too=given["rows"] == "all",
            )
        except Invalid as error:
            form.add_error(FIELD_OF.get(error.code), error.message)
        else:
            return redirect("labeling:detail", tenant_of(request).slug, project.pk)
    status = 422 if request.method == "POST" else 200
    has_datasets = datasets.dataset_list().exists()
    context = {"form": form, "has_datasets": has_datasets}
    return render(request, "labeling/new.html", context, status=status)


@require_GET
@requires("data.read")
def project_detail(request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
    """Show how far a project is, and what may be done with it."""
    actor = actor_of(request)
    context = {
        **views.detail_context(selectors.project_get(project_id)),
        "can_label": actor.may("label.write"),
        "can_manage": actor.may("data.write"),
    }
    return render(request, "labeling/detail.html", context)


@require_GET
@requires("label.write")
def project_label(request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
    """Show the page on which people label; its script fetches and answers the tasks."""
    project = selectors.project_get(project_id)
    slug = tenant_of(request).slug
    urls = {
        name: reverse(f"tenant-api:labeling-{name}", args=[slug, project.pk])
        for name in ("lease", "renew", "annotations", "undo", "skip")
    }
    counts = selectors.project_counts(project.pk)
    page_settings = {
        "project": str(project.pk),
        "owner": owner_of(actor_of(request)),
        "labels": project.labels,
        "urls": urls,
        "prefetch": PREFETCH,
        "renewMs": int(settings.LABEL_LEASE_SECONDS * 1000 / 3),
        "done": counts.done,
        "total": counts.total,
    }
    context = {"project": project, "counts": counts, "page_settings": page_settings}
    return render(request, "labeling/label.html", context)


@require_POST
@requires("data.write")
def project_freeze(request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
    """Freeze the accepted labels; a refusal comes back as a sentence on the project's page."""
    slug = tenant_of(request).slug
    project = selectors.project_get(project_id)
    try:
        frozen = services.labels_freeze(actor=actor_of(request), project_id=project_id)
    except DomainError as error:
        messages.error(request, error.message)
        return redirect("labeling:detail", slug, project_id)
    messages.success(request, views.freeze_sentence(frozen.number, dict(frozen.counts)))
    return redirect("datasets:versions", slug, project.dataset_id)


def _move(request: HttpRequest, project_id: uuid.UUID, to: str, done: str) -> HttpResponse:
    selectors.project_get(project_id)
    try:
        services.project_move(actor=actor_of(request), project_id=project_id, to=to)
    except DomainError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, done)
    return redirect("labeling:detail", tenant_of(request).slug, project_id)


@require_POST
@requires("data.write")
def project_close(request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
    """Hand out no more tasks."""
    done = _("The project is closed: no more rows are handed out. Labels that come in still count.")
    return _move(request, project_id, "closed", done)


@require_POST
@requires("data.write")
def project_open(request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
    """Hand out tasks again."""
    return _move(request, project_id, "open", _("The project is open again."))


@require_POST
@requires("data.write")
def project_skipped(request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
    """Put the skipped rows back."""
    count = services.skipped_reopen(actor=actor_of(request), project_id=project_id)
    said = ngettext(
        "%(n)d row is back in the queue.", "%(n)d rows are back in the queue.", count
    ) % {"n": count}
    messages.success(request, said)
    return redirect("labeling:detail", tenant_of(request).slug, project_id)
