"""Making projects with their tasks, closing them, and giving skipped tasks back."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from modelyard.core.errors import Invalid
from tenants import access, audit
from tenants.access import Actor
from training.datasets import selectors as datasets
from training.datasets.services.datasets import texts_require
from training.labeling import hotkeys, selectors
from training.labeling.models import Project, Task
from training.labeling.states import PROJECT, TASK

MAX_NAME = 120
MAX_GUIDELINES = 20_000
# One statement however many rows: the order is that of the files.
_INSERT = """
insert into labeling_task (id, tenant_id, created_at, project_id, example_id, status, priority, seq,
  lease_owner, lease_page)
select gen_random_uuid(), tenant_id, now(), %s, id, 'open', 0,
  row_number() over (order by upload_id, line), '', ''
from datasets_example where tenant_id = %s and dataset_id = %s and removed_in is null
  and (%s or label is null)
"""


def project_create(
    *,
    actor: Actor,
    dataset_id: uuid.UUID,
    name: str,
    labels: Sequence[str],
    guidelines: str = "",
    labelled_too: bool = False,
) -> Project:
    """Make a project with a task for each row of the dataset that has no label yet.

    Args:
        actor: Who makes it.
        dataset_id: Whose rows.
        name: Unique in the workspace.
        labels: Names in the order of their keys; see `hotkeys.labels_of`.
        guidelines: What labelers read, plain text.
        labelled_too: Also rows with a label, to check and correct them.

    Raises:
        Invalid: `name_missing`, `name_long`, `name_taken`, `guidelines_long`,
            `nothing_to_label`, and those of `hotkeys.labels_of`.
        Conflict: `texts_only`: the dataset holds images.
        NotFound: No such dataset.
    """
    access.require(actor, "data.write")
    dataset = datasets.dataset_get(dataset_id)
    texts_require(dataset, _("Texts alone are labelled here so far. Choose a dataset of texts."))
    name = _checked_name(name)
    if len(guidelines) > MAX_GUIDELINES:
        raise Invalid(
            _("A guideline may have %(n)d characters.") % {"n": MAX_GUIDELINES},
            code="guidelines_long",
        )
    chosen = hotkeys.labels_of(labels)
    try:
        with transaction.atomic():
            project = Project.objects.create(
                dataset=dataset, name=name, labels=chosen, guidelines=guidelines.strip()
            )
            tasks = _make_tasks(project, labelled_too=labelled_too)
    except IntegrityError as error:
        raise Invalid(
            _("There is a labelling project of this name already. Choose another name."),
            code="name_taken",
        ) from error
    audit.record(actor, "project.created", project, name=name, tasks=tasks)
    return project


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not name:
        raise Invalid(_("Give the project a name."), code="name_missing")
    if len(name) > MAX_NAME:
        raise Invalid(_("A name may have %(n)d characters.") % {"n": MAX_NAME}, code="name_long")
    return name


def _make_tasks(project: Project, *, labelled_too: bool) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, (project.pk, project.tenant_id, project.dataset_id, labelled_too))
        made = int(cursor.rowcount)
    if not made:
        raise Invalid(
            _("This dataset has no rows without a label. Import some, or choose all rows."),
            code="nothing_to_label",
        )
    return made


def project_move(*, actor: Actor, project_id: uuid.UUID, to: str) -> Project:
    """Close a project (no task is handed out any more) or open it again.

    Raises:
        Conflict: `project_state`: it is so already.
        NotFound: No such project.
    """
    access.require(actor, "data.write")
    project = selectors.project_get(project_id)
    PROJECT.require(project, to)
    audit.record(actor, f"project.{to}", project, name=project.name)
    return project


def skipped_reopen(*, actor: Actor, project_id: uuid.UUID) -> int:
    """Put the skipped tasks back into the queue; return how many there were."""
    access.require(actor, "data.write")
    project = selectors.project_get(project_id)
    rows = Task.objects.filter(project=project, status=Task.Status.SKIPPED)
    count = TASK.advance(rows, "open", lease_owner="", lease_page="", lease_until=None)
    audit.record(actor, "project.skipped_reopened", project, name=project.name, tasks=count)
    return count
