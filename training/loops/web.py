"""The part of a labelling project's page that knows deployments."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from modelyard.core.errors import DomainError
from tenants.http import actor_of, requires
from training.labeling import selectors as labeling
from training.loops import services
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
