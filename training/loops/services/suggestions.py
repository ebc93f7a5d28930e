"""Suggestions: ask a deployment about the next tasks of a labelling project."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence

from django.utils.translation import gettext as _

from modelyard.core.errors import DomainError, Invalid, Unavailable
from tenants.access import Actor
from tenants.scoping.context import tenant_scope
from training.labeling import selectors as labeling
from training.labeling import services as labels
from training.labeling.models import Project, Task
from training.labeling.types import Guess
from training.serving import asking
from training.serving import selectors as serving
from training.serving.rebuild import Caller
from training.serving.states import DeploymentStatus

AHEAD = 200
"""So many tasks are suggested at a time: predictions count, so none is made long before its use."""
BATCH = 20
MAX_CHARACTERS = 3_000
"""More than a model of 512 tokens reads; 20 of them stay below what one request may weigh."""


def suggestions_choose(*, actor: Actor, project_id: uuid.UUID, deployment: str) -> Project:
    """Let a live deployment suggest labels in a project, or none ('').

    Raises:
        NotFound: No such project, or no such deployment.
        Invalid: `deployment_not_live`.
    """
    labeling.project_get(project_id)
    if deployment:
        row = serving.deployment_get(deployment)
        if row.status != DeploymentStatus.LIVE:
            raise Invalid(
                _("This deployment does not answer now. Choose one that is serving."),
                code="deployment_not_live",
            )
    return labels.suggestions_from(actor=actor, project_id=project_id, deployment=deployment)


def suggest_run(*, tenant_id: uuid.UUID, project_id: uuid.UUID) -> None:
    """Ask about the next tasks that have no suggestion; what stops it stands on the project.

    Each batch is one metered request, keyed by its tasks: asked twice, counted once.

    Raises:
        Unavailable: The model is not loaded or busy; try again.
    """
    for _round in range(AHEAD // BATCH):
        with tenant_scope(tenant_id):
            project = labeling.project_get(project_id)
            tasks = labeling.without_suggestion(project_id, BATCH)
        if not tasks or not project.suggestion_deployment:
            return
        try:
            _suggest(tenant_id, project, tasks)
        except DomainError as error:
            with tenant_scope(tenant_id):
                labels.suggestion_problem(project_id=project_id, sentence=error.message)
            if isinstance(error, Unavailable):
                raise
            return


def _suggest(tenant_id: uuid.UUID, project: Project, tasks: Sequence[Task]) -> None:
    name = project.suggestion_deployment
    asked = hashlib.sha256(" ".join([name, *(str(task.pk) for task in tasks)]).encode())
    answer = asking.ask(
        caller=Caller(tenant_id=tenant_id),
        name=name,
        texts=[task.example.text[:MAX_CHARACTERS] for task in tasks],
        idempotency_key=f"suggest-{asked.hexdigest()}",
    )
    guesses = {
        task.pk: Guess(label=said["label"], score=said["score"])
        for task, said in zip(tasks, answer.predictions, strict=True)
    }
    with tenant_scope(tenant_id):
        titles = serving.version_titles([answer.version_id])
        labels.suggestion_record(
            guesses=guesses,
            version_id=uuid.UUID(answer.version_id),
            source=titles.get(answer.version_id, name),
        )
        labels.suggestion_problem(project_id=project.pk, sentence="")
