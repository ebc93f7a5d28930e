"""Pages of deployments: list, new, one with its playground."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from billing import plans, usage
from billing.usage import Hour
from modelyard.core import clock
from modelyard.core.errors import DomainError
from modelyard.core.http import problem
from modelyard.core.http.pagination import keyset
from tenants import selectors as tenants
from tenants.http import actor_of, long_lived, requires, tenant_of
from tenants.models import Tenant
from training.registry import selectors as registry
from training.registry.states import VersionStatus
from training.serving import asking, selectors, services
from training.serving.door import Answer
from training.serving.rebuild import Caller
from training.serving.samples import samples
from training.serving.types import DeploymentFacts

DAYS = 30
EXAMPLE = gettext_lazy("Write a sentence here, as your customers would.")
VERSIONS_SHOWN = 200


class DeploymentForm(forms.Form):
    """Name and version of a new deployment."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=63,
        help_text=gettext_lazy("Part of the URL: lower-case letters, digits and hyphens."),
    )
    version = forms.TypedChoiceField(label=gettext_lazy("Model version"), coerce=uuid.UUID)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        version = self.fields["version"]
        if isinstance(version, forms.TypedChoiceField):
            version.choices = _version_choices()


def _version_choices() -> list[tuple[str, str]]:
    rows = registry.version_list().filter(status=VersionStatus.VERIFIED)[:VERSIONS_SHOWN]
    return [(str(row.pk), registry.facts_of(row).title) for row in rows]


@require_GET
@requires("deployments.read")
def deployment_list(request: HttpRequest) -> HttpResponse:
    """Show the workspace's deployments with their last day."""
    page = keyset(selectors.deployment_list(), request.GET.get("cursor", ""))
    since = clock.now() - dt.timedelta(hours=24)
    hours = usage.by_hour(tenant_of(request).pk, plans.PREDICTIONS, "deployment", since=since)
    rows = [_row(selectors.facts_of(row), hours.get(str(row.pk), [])) for row in page.rows]
    return render(request, "deployments/list.html", {"deployments": rows, "page": page})


def _row(facts: DeploymentFacts, hours: Sequence[Hour]) -> dict[str, object]:
    counts = {hour.start: hour.requests for hour in hours}
    now = clock.now().replace(minute=0, second=0, microsecond=0)
    series = [counts.get(now - dt.timedelta(hours=back), 0) for back in range(23, -1, -1)]
    return {**asdict(facts), "calls": sum(counts.values()), "series": series}


@require_http_methods(["GET", "POST"])
@requires("deployments.write")
def deployment_new(request: HttpRequest) -> HttpResponse:
    """Deploy a version: the form, and its refusal with what was typed."""
    form = DeploymentForm(request.POST or None, initial=_first_choice(request))
    refusal = None
    if request.method == "POST" and form.is_valid():
        try:
            facts = services.deployment_create(
                actor=actor_of(request),
                name=form.cleaned_data["name"],
                version_id=form.cleaned_data["version"],
            )
        except DomainError as error:
            refusal = error
        else:
            return redirect("deployments:detail", tenant_of(request).slug, facts.name)
    versions = form.fields["version"]
    context = {
        "form": form,
        "has_versions": bool(getattr(versions, "choices", [])),
        "problem": _shown(request, refusal),
    }
    status = refusal.status if refusal else 422 if form.is_bound else 200
    return render(request, "deployments/new.html", context, status=status)


def _first_choice(request: HttpRequest) -> dict[str, str]:
    """Return what the form starts with: the version that was asked for, and a name for it."""
    asked = request.GET.get("version", "")
    for key, title in _version_choices():
        if not asked or key == asked:
            return {"version": key, "name": slugify(title.rpartition(" ")[0])[:63]}
    return {}


def _shown(request: HttpRequest, error: DomainError | None) -> dict[str, object] | None:
    """Return a refusal for `components/problem.html`, with the way out of a plan's limit."""
    if error is None:
        return None
    found = {**problem.document(request, error), "fields": {}}
    if "upgrade_url" in error.data:
        found |= {"action_url": error.data["upgrade_url"], "action_label": _("See usage")}
    return found


@require_GET
@requires("deployments.read")
def deployment_detail(request: HttpRequest, name: str) -> HttpResponse:
    """Show a deployment: status, playground, code to copy, traffic."""
    tenant = tenant_of(request)
    facts = selectors.facts_of(selectors.deployment_get(name))
    url = f"{settings.SITE_URL}{reverse('api:deployment-predict', args=[facts.name])}"
    start = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    found = usage.by_hour(
        tenant.pk,
        plans.PREDICTIONS,
        "deployment",
        since=start - dt.timedelta(days=DAYS - 1),
        only=str(facts.id),
    )
    hours = found.get(str(facts.id), [])
    days = _by_day(hours)
    context = {
        "deployment": facts,
        "predict_url": url,
        "example": EXAMPLE,
        "codes": samples(url, str(EXAMPLE)),
        "key_hint": _key_hint(tenant),
        "stats": _stats(hours),
        "series": days if hours else [],
        "series_finding": _finding(days),
        "answer": None,
        "problem": None,
    }
    return render(request, "deployments/detail.html", context)


def _by_day(hours: Sequence[Hour]) -> list[tuple[str, float]]:
    counts: dict[dt.date, int] = {}
    for hour in hours:
        day = hour.start.astimezone(dt.UTC).date()
        counts[day] = counts.get(day, 0) + hour.requests
    today = clock.now().date()
    listed = [today - dt.timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    return [(str(day.day), float(counts.get(day, 0))) for day in listed]


def _finding(days: Sequence[tuple[str, float]]) -> str:
    total = int(sum(count for _day, count in days))
    return ngettext(
        "%(n)s answered request in 30 days", "%(n)s answered requests in 30 days", total
    ) % {"n": number_format(total, force_grouping=True)}


def _stats(hours: Sequence[Hour]) -> list[dict[str, str]]:
    since = clock.now() - dt.timedelta(hours=24)
    last = [hour for hour in hours if hour.start >= since]

    def shown(number: int) -> str:
        return str(number_format(number, force_grouping=True))

    return [
        {"label": _("Requests, 24 h"), "value": shown(sum(hour.requests for hour in last))},
        {"label": _("Texts, 24 h"), "value": shown(sum(hour.amount for hour in last))},
        {"label": _("Requests, 30 days"), "value": shown(sum(hour.requests for hour in hours))},
        {"label": _("Texts, 30 days"), "value": shown(sum(hour.amount for hour in hours))},
    ]


def _key_hint(tenant: Tenant) -> str:
    """Return the first letters of the newest key that may predict, or ''."""
    for key in tenants.key_list(tenant.pk).filter(revoked_at=None):
        expired = key.expires_at is not None and key.expires_at <= clock.now()
        if "predict" in key.scopes and not expired:
            return f"mdy_{key.public_id}_"
    return ""


@require_POST
@requires("deployments.write")
def deployment_stop(request: HttpRequest, name: str) -> HttpResponse:
    """Stop a deployment."""
    facts = services.deployment_stop(actor=actor_of(request), name=name)
    messages.success(request, _("%(name)s takes no more requests.") % {"name": facts.name})
    return redirect("deployments:detail", tenant_of(request).slug, facts.name)


@long_lived
@require_POST
@requires("predict")
def deployment_predict(request: HttpRequest, name: str) -> HttpResponse:
    """Answer the playground through the same door as the API; counts like any request."""
    caller = Caller(tenant_id=actor_of(request).tenant_id)
    try:
        answer = asking.ask(caller=caller, name=name, texts=[request.POST.get("text", "")])
    except DomainError as error:
        context = {"problem": _shown(request, error)}
        return render(request, "deployments/_answer.html", context, status=error.status)
    return render(request, "deployments/_answer.html", {"answer": _answer(answer)})


def _answer(answer: Answer) -> dict[str, object]:
    first = answer.predictions[0]
    scores = sorted(first["scores"].items(), key=lambda pair: pair[1], reverse=True)
    return {
        "scores": [{"label": label, "score": score} for label, score in scores],
        "milliseconds": round(answer.total_ms),
        "tokens": answer.tokens,
        "truncated": first["truncated"],
        "request_id": answer.request_id,
    }
