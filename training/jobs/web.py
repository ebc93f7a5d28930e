"""Pages of runs: list, new, one with its live progress, its report."""

from __future__ import annotations

import uuid
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as later
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from modelyard.core import live
from modelyard.core.errors import Conflict, DomainError, NotFound
from tenants.http import actor_of, long_lived, paid, requires, tenant_of
from tenants.scoping.context import tenant_scope
from training.datasets import selectors as datasets
from training.datasets.models import DatasetVersion
from training.jobs import forecast, journal, recipes, report, selectors, services, views
from training.registry import selectors as registry
from training.registry import words

VERSIONS_SHOWN = 100
ADVANCED = ("base", "method", "epochs", "learning_rate", "batch_size", "max_length", "seed")


class RunForm(forms.Form):
    """A new run: rows, model, recipe; what is left empty is the recipe's."""

    version = forms.TypedChoiceField(label=later("Dataset version"), coerce=uuid.UUID)
    model_name = forms.CharField(
        label=later("Model"),
        max_length=80,
        help_text=later("A new name makes a new model; a known one gets its next version."),
    )
    preset = forms.ChoiceField(
        label=later("Recipe"),
        choices=[(name, title) for name, (title, _why) in recipes.PRESET_TITLES.items()],
        initial=recipes.DEFAULT_PRESET,
        widget=forms.RadioSelect,
    )
    base = forms.ChoiceField(label=later("Base model"), required=False)
    method = forms.ChoiceField(
        label=later("Method"),
        required=False,
        choices=[("", later("The recipe's")), *words.METHODS.items()],
        help_text=later("Adapters are small and quick to train; all weights learn more."),
    )
    epochs = forms.IntegerField(label=later("Epochs"), required=False, min_value=1, max_value=100)
    learning_rate = forms.FloatField(
        label=later("Learning rate"), required=False, min_value=1e-8, max_value=0.1
    )
    batch_size = forms.IntegerField(
        label=later("Batch"), required=False, min_value=1, max_value=512
    )
    max_length = forms.IntegerField(
        label=later("Max tokens a text"), required=False, min_value=8, max_value=8192
    )
    seed = forms.IntegerField(label=later("Seed"), required=False, min_value=0)

    def __init__(self, *args: Any, versions: list[DatasetVersion], reload: str, **kw: Any) -> None:
        super().__init__(*args, **kw)
        version, base = self.fields["version"], self.fields["base"]
        if isinstance(version, forms.TypedChoiceField) and isinstance(base, forms.ChoiceField):
            version.choices = [(str(row.pk), _version_title(row)) for row in versions]
            base.choices = [("", later("The recipe's")), *((n, n) for n in recipes.base_names())]
        # Another version, another estimate: the form is fetched again with what was typed.
        version.widget.attrs.update(
            {"hx-get": reload, "hx-include": "closest form", "hx-target": "#run-form"}
            | {"hx-select": "#run-form", "hx-trigger": "change", "hx-swap": "outerHTML"}
        )

    def chosen(self) -> dict[str, Any]:
        """Return the settings that were filled in."""
        found = {name: self.cleaned_data.get(name) for name in ADVANCED}
        return {name: value for name, value in found.items() if value not in (None, "")}


@require_GET
@requires("runs.read")
def run_list(request: HttpRequest) -> HttpResponse:
    """Show the workspace's runs."""
    return render(request, "runs/list.html", views.list_context(request.GET.get("cursor", "")))


@paid
@require_http_methods(["GET", "POST"])
@requires("runs.write")
def run_new(request: HttpRequest) -> HttpResponse:
    """Order a run; a refusal comes back as a sentence in the form."""
    slug = tenant_of(request).slug
    versions = list(datasets.version_frozen_list()[:VERSIONS_SHOWN])
    first = _initial(request, versions)
    data = request.POST if request.method == "POST" else None
    form = RunForm(data, initial=first, versions=versions, reload=reverse("runs:new", args=[slug]))
    problem = None
    if data is not None and form.is_valid():
        try:
            run = services.run_submit(
                actor=actor_of(request),
                dataset_version_id=form.cleaned_data["version"],
                model_name=form.cleaned_data["model_name"],
                preset=form.cleaned_data["preset"],
                spec=form.chosen(),
            )
        except DomainError as error:
            problem = _problem(error, slug)
        else:
            return redirect("runs:detail", slug, run.pk)
    context = {
        "form": form,
        "advanced": ADVANCED,
        "has_versions": bool(versions),
        "problem": problem,
        **_preflight(form, versions),
    }
    status = problem["status"] if problem else 422 if data is not None else 200
    return render(request, "runs/new.html", context, status=status)


@require_GET
@requires("runs.read")
def run_detail(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Show a run: progress, curve, log, or how it ended."""
    return render(request, "runs/detail.html", views.detail_context(selectors.run_get(run_id)))


@require_GET
@requires("runs.read")
def run_progress(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Return bar, phases and notes as a fragment."""
    context = views.progress_context(selectors.run_get(run_id))
    return render(request, "runs/_progress.html", context)


@require_GET
@long_lived
@requires("runs.read")
def run_events(request: HttpRequest, run_id: uuid.UUID) -> HttpResponseBase:
    """Stream the run's events (SSE), or answer those after a number as JSON."""
    tenant_id = tenant_of(request).pk
    after = _number(request.headers.get("Last-Event-ID") or request.GET.get("after", ""))
    with tenant_scope(tenant_id):
        run = selectors.run_get(run_id)
        if "text/event-stream" not in request.headers.get("Accept", ""):
            return JsonResponse(selectors.events_page(run, after=after))
    read = partial(selectors.events_for_stream, tenant_id, run_id)
    frames = live.stream(journal.topic(run_id), read, after=after, final=selectors.FINAL_KINDS)
    response = StreamingHttpResponse(frames, content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"
    return response


@require_POST
@requires("runs.write")
def run_cancel(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Stop the run, or say why it is too late."""
    try:
        services.run_cancel(actor=actor_of(request), run_id=run_id)
    except Conflict as error:
        messages.error(request, error.message)
    return redirect("runs:detail", tenant_of(request).slug, run_id)


@paid
@require_POST
@requires("runs.write")
def run_retry(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Queue a failed run again."""
    try:
        services.run_retry(actor=actor_of(request), run_id=run_id)
    except DomainError as error:
        if error.status == NotFound.status:
            raise
        messages.error(request, error.message)
    return redirect("runs:detail", tenant_of(request).slug, run_id)


@require_GET
@long_lived
@requires("runs.read")
def run_report(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Show the report beside the baseline; a run without one leads back to its page."""
    tenant = tenant_of(request)
    with tenant_scope(tenant.pk):
        run = selectors.run_get(run_id)
        if run.output_version_id is None:
            return redirect("runs:detail", tenant.slug, run_id)
        facts = report.artifact_of(run)
        version = run.dataset_version
        shown = {
            "run": {"id": run.pk, "number": run.number, "model_name": run.model_name},
            "dataset_version": {
                "dataset_id": version.dataset_id,
                "dataset_name": version.dataset.name,
                "number": version.number,
            },
        }
    metrics = report.metrics_of(facts)
    return render(request, "runs/report.html", {**shown, **report.context_of(metrics, facts)})


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _initial(request: HttpRequest, versions: list[DatasetVersion]) -> dict[str, Any]:
    """Return what the form starts with: from links (`?dataset=`, `?model=`) or typed before."""
    asked = {name: request.GET.get(name, "") for name in ("version", "dataset", "model")}
    chosen = next(
        (
            row
            for row in versions
            if asked["version"] == str(row.pk) or asked["dataset"] == str(row.dataset_id)
        ),
        versions[0] if versions else None,
    )
    first: dict[str, Any] = {name: request.GET.get(name, "") for name in ADVANCED}
    preset = request.GET.get("preset", "")
    first["preset"] = preset if preset in recipes.PRESET_TITLES else recipes.DEFAULT_PRESET
    first["version"] = str(chosen.pk) if chosen else ""
    first["model_name"] = request.GET.get("model_name", "")
    if not first["model_name"]:
        known = _model_name(asked["model"])
        first["model_name"] = known or (chosen.dataset.name[:80] if chosen else "")
    return first


def _model_name(text: str) -> str:
    try:
        return registry.model_get(uuid.UUID(text)).name
    except (ValueError, NotFound):
        return ""


def _preflight(form: RunForm, versions: list[DatasetVersion]) -> dict[str, Any]:
    """Return the recipes with their times, and what the chosen rows are."""
    asked = str(form["version"].value() or "")
    version = next((row for row in versions if str(row.pk) == asked), None)
    chosen = str(form["preset"].value())
    cards = []
    estimate = None
    for name, (title, why) in recipes.PRESET_TITLES.items():
        card: dict[str, Any] = {"name": name, "title": title, "why": why, "time": ""}
        card["checked"] = name == chosen
        if version is not None:
            chars = version.text_stats.get("mean")
            found = forecast.estimate(
                recipes.spec_build(name, {}), version.split_counts, chars=chars
            )
            minutes = {
                "low": max(1, int(found.low // 60)),
                "high": max(2, int(-(-found.high // 60))),
            }
            card["time"] = _("%(low)d–%(high)d min") % minutes
            if card["checked"]:
                estimate = {
                    "minutes_low": minutes["low"],
                    "minutes_high": minutes["high"],
                    "text": _rows_sentence(version),
                }
        cards.append(card)
    return {"presets": cards, "estimate": estimate}


def _counted(value: int) -> str:
    return str(number_format(value, force_grouping=True))


def _version_title(version: DatasetVersion) -> str:
    return _("%(name)s v%(n)d, %(rows)s rows") % {
        "name": version.dataset.name,
        "n": version.number,
        "rows": _counted(version.rows),
    }


def _rows_sentence(version: DatasetVersion) -> str:
    splits = version.split_counts
    return _(
        "%(train)s rows to train on, %(validation)s to choose by, %(test)s for the report; "
        "%(labels)s labels."
    ) % {
        **{name: _counted(splits.get(name, 0)) for name in ("train", "validation", "test")},
        "labels": len(version.label_counts),
    }


def _problem(error: DomainError, slug: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "title": _("The run was not started"),
        "detail": error.message,
        "code": error.code,
        "status": error.status,
    }
    if error.status == 402:
        found["action_url"] = reverse("usage:index", args=[slug])
        found["action_label"] = _("See usage and plan")
    return found
