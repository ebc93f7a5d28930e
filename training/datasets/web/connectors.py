"""Pages of connectors: list, new, one with its pulls, and a pull at work."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from modelyard.core.errors import DomainError, Invalid
from tenants.http import actor_of, requires, tenant_of
from training.datasets import connector_selectors, services
from training.datasets.models import Connector, Pull
from training.datasets.views import connectors as views


class ConnectorForm(forms.Form):
    """What all kinds have."""

    name = forms.CharField(label=lazy("Name"), max_length=120)
    schedule = forms.ChoiceField(
        label=lazy("Pull"), choices=Connector.Schedule.choices, initial=Connector.Schedule.NONE
    )
    field_order = (
        "name",
        "url",
        "endpoint",
        "bucket",
        "prefix",
        "region",
        "access_key",
        "secret_key",
    )

    def config(self) -> dict[str, Any]:
        """Return the fields of the kind alone."""
        apart = {"name", "schedule", "secret_key"}
        return {name: value for name, value in self.cleaned_data.items() if name not in apart}


class UrlForm(ConnectorForm):
    """A file at an address."""

    url = forms.CharField(
        label=lazy("Address of the file"),
        max_length=2048,
        help_text=lazy("It must be reachable from the internet without signing in."),
    )


class CrawlForm(ConnectorForm):
    """A feed or a sitemap."""

    url = forms.CharField(label=lazy("Address"), max_length=2048)
    max_pages = forms.IntegerField(label=lazy("Pages a pull, at most"), min_value=1, initial=200)


class BucketForm(ConnectorForm):
    """A bucket."""

    endpoint = forms.CharField(
        label=lazy("Endpoint"),
        max_length=2048,
        help_text=lazy("For example https://s3.eu-central-1.amazonaws.com"),
    )
    bucket = forms.CharField(label=lazy("Bucket"), max_length=255)
    prefix = forms.CharField(  # type: ignore[assignment]
        label=lazy("Prefix"),
        max_length=1024,
        required=False,
        help_text=lazy("Only objects whose key begins with it. Empty: all."),
    )
    region = forms.CharField(label=lazy("Region"), max_length=64, initial="us-east-1")
    access_key = forms.CharField(label=lazy("Access key"), max_length=255)
    secret_key = forms.CharField(
        label=lazy("Secret key"),
        max_length=1024,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=lazy("Stored encrypted and never shown again. Reading rights are enough."),
    )


FORMS: dict[str, type[ConnectorForm]] = {
    Connector.Kind.URL: UrlForm,
    Connector.Kind.S3: BucketForm,
    Connector.Kind.FEED: CrawlForm,
    Connector.Kind.SITEMAP: CrawlForm,
}


@require_GET
@requires("data.read")
def connector_list(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Show a dataset's connectors, and how programs send rows."""
    context = views.list_context(dataset_id)
    return render(request, "datasets/connectors/list.html", context)


@require_http_methods(["GET", "POST"])
@requires("data.write")
def connector_new(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Make a connector and start its first pull."""
    kind = request.GET.get("kind", "")
    kind = kind if kind in FORMS else Connector.Kind.URL
    form = FORMS[kind](request.POST or None)
    if request.method == "POST" and form.is_valid():
        actor = actor_of(request)
        try:
            connector = services.connector_create(
                actor=actor,
                dataset_id=dataset_id,
                kind=kind,
                name=form.cleaned_data["name"],
                config=form.config(),
                secret=form.cleaned_data.get("secret_key", ""),
                schedule=form.cleaned_data["schedule"],
            )
            pull = services.pull_start(actor=actor, connector=connector)
        except Invalid as error:
            _explain(form, error)
        else:
            return redirect("datasets:pull", tenant_of(request).slug, dataset_id, pull.pk)
    status = 422 if request.method == "POST" else 200
    context = {**views.new_context(dataset_id, kind), "form": form}
    return render(request, "datasets/connectors/new.html", context, status=status)


def _explain(form: ConnectorForm, error: Invalid) -> None:
    """Show a refusal at the field that it names, or above the form."""
    fields = error.data.get("fields")
    named = next(iter(fields), None) if isinstance(fields, dict) else None
    form.add_error(named if named in form.fields else None, error.message)


def _connector_of(dataset_id: uuid.UUID, connector_id: uuid.UUID) -> Connector:
    connector = connector_selectors.connector_get(connector_id)
    if connector.dataset_id != dataset_id:
        return connector_selectors.connector_get(uuid.UUID(int=0))
    return connector


def _pull_of(dataset_id: uuid.UUID, pull_id: uuid.UUID) -> Pull:
    pull = connector_selectors.pull_get(pull_id)
    if pull.connector.dataset_id != dataset_id:
        return connector_selectors.pull_get(uuid.UUID(int=0))
    return pull


@require_GET
@requires("data.read")
def connector_detail(
    request: HttpRequest, dataset_id: uuid.UUID, connector_id: uuid.UUID
) -> HttpResponse:
    """Show a connector with its pulls."""
    connector = _connector_of(dataset_id, connector_id)
    context = views.detail_context(connector, request.GET.get("cursor", ""))
    return render(request, "datasets/connectors/detail.html", context)


@require_http_methods(["GET", "POST"])
@requires("data.write")
def connector_edit(
    request: HttpRequest, dataset_id: uuid.UUID, connector_id: uuid.UUID
) -> HttpResponse:
    """Change a connector; an empty secret key keeps the old one."""
    connector = _connector_of(dataset_id, connector_id)
    known = {**connector.config, "name": connector.name, "schedule": connector.schedule}
    form = FORMS[connector.kind](request.POST or None, initial=known)
    if request.method == "POST" and form.is_valid():
        try:
            services.connector_update(
                actor=actor_of(request),
                connector_id=connector.pk,
                name=form.cleaned_data["name"],
                config=form.config(),
                secret=form.cleaned_data.get("secret_key", ""),
                schedule=form.cleaned_data["schedule"],
            )
        except Invalid as error:
            _explain(form, error)
        else:
            messages.success(request, _("Saved."))
            return redirect("datasets:connector", tenant_of(request).slug, dataset_id, connector.pk)
    status = 422 if request.method == "POST" else 200
    context = {**views.edit_context(connector), "form": form}
    return render(request, "datasets/connectors/new.html", context, status=status)


@require_POST
@requires("data.write")
def connector_pull(
    request: HttpRequest, dataset_id: uuid.UUID, connector_id: uuid.UUID
) -> HttpResponse:
    """Pull now."""
    slug = tenant_of(request).slug
    connector = _connector_of(dataset_id, connector_id)
    try:
        pull = services.pull_start(actor=actor_of(request), connector=connector)
    except DomainError as error:
        messages.error(request, error.message)
        return redirect("datasets:connector", slug, dataset_id, connector.pk)
    return redirect("datasets:pull", slug, dataset_id, pull.pk)


@require_POST
@requires("data.write")
def connector_pause(
    request: HttpRequest, dataset_id: uuid.UUID, connector_id: uuid.UUID
) -> HttpResponse:
    """Pause the schedule, or let it go on."""
    connector = _connector_of(dataset_id, connector_id)
    services.connector_update(
        actor=actor_of(request),
        connector_id=connector.pk,
        paused=request.POST.get("paused") == "yes",
    )
    return redirect("datasets:connector", tenant_of(request).slug, dataset_id, connector.pk)


@require_POST
@requires("data.write")
def connector_remove(
    request: HttpRequest, dataset_id: uuid.UUID, connector_id: uuid.UUID
) -> HttpResponse:
    """Remove a connector; its rows stay."""
    connector = _connector_of(dataset_id, connector_id)
    services.connector_delete(actor=actor_of(request), connector_id=connector.pk)
    messages.success(request, _("The connector was removed. Its rows stay in the dataset."))
    return redirect("datasets:connectors", tenant_of(request).slug, dataset_id)


@require_GET
@requires("data.read")
def pull_detail(request: HttpRequest, dataset_id: uuid.UUID, pull_id: uuid.UUID) -> HttpResponse:
    """Show a pull: how far it is, what it brought, what it skipped and why."""
    context = views.pull_context(_pull_of(dataset_id, pull_id), request.GET.get("cursor", ""))
    return render(request, "datasets/connectors/pull.html", context)


@require_GET
@requires("data.read")
def pull_progress(request: HttpRequest, dataset_id: uuid.UUID, pull_id: uuid.UUID) -> HttpResponse:
    """Show the same as a fragment that fetches itself while the pull is at work."""
    context = views.pull_context(_pull_of(dataset_id, pull_id), "")
    return render(request, "datasets/connectors/_pull.html", context)


@require_POST
@requires("data.write")
def pull_cancel(request: HttpRequest, dataset_id: uuid.UUID, pull_id: uuid.UUID) -> HttpResponse:
    """Stop a pull; what it handed over already stays."""
    pull = _pull_of(dataset_id, pull_id)
    try:
        services.pull_cancel(actor=actor_of(request), pull_id=pull.pk)
    except DomainError as error:
        messages.error(request, error.message)
    return redirect("datasets:pull", tenant_of(request).slug, dataset_id, pull.pk)
