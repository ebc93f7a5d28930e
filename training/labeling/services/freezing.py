"""The accepted labels become labels of the dataset, and a frozen version of it."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.utils.translation import gettext as _

from modelyard.core import clock
from modelyard.core.errors import Invalid
from tenants import access, audit
from tenants.access import Actor
from training.datasets import services as datasets
from training.labeling import selectors
from training.labeling.models import Annotation, Project, Task
from training.labeling.types import Frozen


def labels_freeze(*, actor: Actor, project_id: uuid.UUID) -> Frozen:
    """Write the accepted labels that are in no version yet, and freeze a version with them.

    All or nothing: when the rows can't be frozen, no label is written either.

    Raises:
        Invalid: `nothing_to_freeze`, and those of `datasets.services.version_freeze`.
        Conflict: `import_running`, `freeze_running`.
        NotFound: No such project.
    """
    access.require(actor, "data.write")
    project = selectors.project_get(project_id)
    with transaction.atomic():
        # Held against an undo that arrives now: it waits, and then finds the label frozen.
        tasks = Task.objects.filter(project=project, status=Task.Status.ACCEPTED)
        list(tasks.select_for_update().order_by("pk").values_list("pk", flat=True))
        answers = list(selectors.unapplied(project.pk))
        if not answers:
            raise Invalid(
                _("No label is new since the last version. Label some rows first."),
                code="nothing_to_freeze",
            )
        return _freeze(actor, project, answers)


def _freeze(actor: Actor, project: Project, answers: list[Annotation]) -> Frozen:
    counts = datasets.labels_apply(
        actor=actor,
        dataset_id=project.dataset_id,
        labels={answer.task.example_id: answer.label for answer in answers},
    )
    Annotation.objects.filter(pk__in=[answer.pk for answer in answers]).update(
        applied_at=clock.now()
    )
    version = datasets.version_freeze(actor=actor, dataset_id=project.dataset_id)
    audit.record(
        actor, "project.frozen", project, name=project.name, number=version.number, **counts
    )
    return Frozen(version.pk, version.number, counts)
