"""What a model suggests: written here by whoever asks it (`training.loops`)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from modelyard.core import queue
from tenants import access, audit
from tenants.access import Actor
from training.labeling import selectors
from training.labeling.models import Project, Suggestion
from training.labeling.types import Guess


def suggestions_from(*, actor: Actor, project_id: uuid.UUID, deployment: str) -> Project:
    """Choose which deployment is asked ('' for none), and ask it.

    Raises:
        NotFound: No such project.
    """
    access.require(actor, "data.write")
    project = selectors.project_get(project_id)
    project.suggestion_deployment = deployment
    project.suggestion_problem = ""
    project.save(update_fields=["suggestion_deployment", "suggestion_problem"])
    audit.record(actor, "project.suggestions", project, name=project.name, deployment=deployment)
    if deployment:
        queue.enqueue("loops.suggest", tenant_id=str(actor.tenant_id), project_id=str(project.pk))
    return project


def suggestion_record(
    *, guesses: Mapping[uuid.UUID, Guess], version_id: uuid.UUID, source: str
) -> None:
    """Keep what a model version says of tasks; a newer answer replaces an older one."""
    rows = [
        Suggestion(
            task_id=task_id,
            version_id=version_id,
            source=source[:160],
            label=guess.label,
            score=guess.score,
        )
        for task_id, guess in guesses.items()
    ]
    Suggestion.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["tenant_id", "task"],
        update_fields=["version_id", "source", "label", "score"],
    )


def suggestion_problem(*, project_id: uuid.UUID, sentence: str) -> None:
    """Say on the project why its model does not answer; '' when it does again."""
    Project.objects.filter(pk=project_id).exclude(suggestion_problem=sentence[:500]).update(
        suggestion_problem=sentence[:500]
    )
