"""The parts of other pages that know more: a project's suggestions, a version's gain."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from modelyard.core.errors import DomainError
from tenants.http import actor_of, paid, requires
from training.labeling import selectors as labeling
from training.loops import services, views
from training.serving import selectors as serving
from training.serving.states import DeploymentStatus


@require_http_methods(["GET", "POST"])
@requires("data.write")
def project_suggestions(request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
    """Show which deployment suggests labels, and let it be chosen; a fragment."""
    project = labeling.project_get(project_id)
    problem = project.suggestion_problem
    status = 200
    if request.method == "POST":
        chosen = request.POST.get("deployment", "").replace("\x00", "")
        try:
            project = services.suggestions_choose(
                actor=actor_of(request), project_id=project_id, deployment=chosen
            )
            problem = project.suggestion_problem
        except DomainError as error:
            problem, status = error.message, error.status
    live = serving.deployment_list().filter(status=DeploymentStatus.LIVE)
    names = list(live.values_list("name", flat=True)[:100])
    if project.suggestion_deployment and project.suggestion_deployment not in names:
        names.append(project.suggestion_deployment)
    context = {
        "project": project,
        "names": names,
        "problem": problem,
        "is_saved": request.method == "POST" and status == 200,
    }
    return render(request, "labeling/_suggestions.html", context, status=status)


@require_GET
@requires("runs.read")
def version_gain(request: HttpRequest, version_id: uuid.UUID) -> HttpResponse:
    """Show what augmented rows are worth, or how far the measuring is; a fragment."""
    return _gain(request, version_id)


@paid
@require_POST
@requires("runs.write")
def gain_start(request: HttpRequest, version_id: uuid.UUID) -> HttpResponse:
    """Start measuring, or go on; a refusal is a sentence in the fragment."""
    return _act(request, version_id, services.gain_start)


@require_POST
@requires("runs.write")
def gain_cancel(request: HttpRequest, version_id: uuid.UUID) -> HttpResponse:
    """Stop measuring."""
    return _act(request, version_id, services.gain_cancel)


def _act(request: HttpRequest, version_id: uuid.UUID, act: Callable[..., object]) -> HttpResponse:
    try:
        act(actor=actor_of(request), version_id=version_id)
    except DomainError as error:
        if error.status == 404:
            raise
        return _gain(request, version_id, error)
    return _gain(request, version_id)


def _gain(
    request: HttpRequest, version_id: uuid.UUID, refused: DomainError | None = None
) -> HttpResponse:
    context = views.gain_context(version_id)
    context["can_measure"] = actor_of(request).may("runs.write")
    context["refused"] = refused.message if refused else ""
    status = refused.status if refused else 200
    return render(request, "loops/_gain.html", context, status=status)
