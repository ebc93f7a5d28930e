"""Answers, skips and their undo: in batches, safe to repeat, one result an item.

An item is taken from whoever holds the task, or from anybody when nobody does (the lease was
over and the task went to nobody else): work that was done is not thrown away without need.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from django.utils.translation import gettext as _

from modelyard.core import clock
from modelyard.core.errors import Invalid
from tenants import access
from tenants.access import Actor
from training.labeling import selectors
from training.labeling.models import Annotation, Project, Task
from training.labeling.services.leases import lease_end, owner_of
from training.labeling.states import TASK
from training.labeling.types import Answer, Result, Undo

Status = Task.Status
_FREE = {"lease_page": "", "lease_until": None}


def annotation_submit(
    *, actor: Actor, project_id: uuid.UUID, answers: Sequence[Answer]
) -> list[Result]:
    """Take answers: each `saved` (also when it was before), `undone`, `taken` or `unknown`.

    Raises:
        Invalid: `label_unknown`: a label is not one of the project's; nothing was written.
        NotFound: No such project.
    """
    access.require(actor, "label.write")
    project = selectors.project_get(project_id)
    strange = {answer.label for answer in answers} - set(project.label_names)
    if strange:
        raise Invalid(
            _("This project has no label “%(label)s”. Use: %(labels)s.")
            % {"label": min(strange), "labels": ", ".join(project.label_names[:20])},
            code="label_unknown",
        )
    tasks = _locked(project, [answer.task_id for answer in answers])
    return [_answer(actor, tasks.get(answer.task_id), answer) for answer in answers]


def _locked(project: Project, task_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Task]:
    """Lock the tasks in one order, so that two batches never wait for each other."""
    rows = Task.objects.select_for_update().filter(project=project, pk__in=set(task_ids))
    return {task.pk: task for task in rows.order_by("pk")}


def _may_take(task: Task, owner: str) -> bool:
    """Tell whether `owner` may answer: the task is theirs, or nobody's."""
    if task.status == Status.OPEN:
        return True
    if task.status != Status.LEASED:
        return False
    is_over = task.lease_until is None or task.lease_until < clock.now()
    return task.lease_owner == owner or is_over


def _answer(actor: Actor, task: Task | None, answer: Answer) -> Result:
    if task is None:
        return Result(answer.task_id, answer.client_id, "unknown")
    owner = owner_of(actor)
    before = Annotation.objects.filter(task=task, author=owner, client_id=answer.client_id).first()
    if before is not None:
        status = "saved" if before.undone_at is None else "undone"
        return Result(task.pk, answer.client_id, status)
    if not _may_take(task, owner):
        return Result(task.pk, answer.client_id, "taken")
    Annotation.objects.create(
        task=task,
        author=owner,
        label=answer.label,
        client_id=answer.client_id,
        duration_ms=answer.duration_ms,
    )
    TASK.require(task, Status.ACCEPTED, lease_owner=owner, **_FREE)
    return Result(task.pk, answer.client_id, "saved")


def task_skip(
    *, actor: Actor, project_id: uuid.UUID, task_ids: Sequence[uuid.UUID]
) -> list[Result]:
    """Set tasks aside: each `saved` (also when it was before), `taken` or `unknown`.

    Raises:
        NotFound: No such project.
    """
    access.require(actor, "label.write")
    project = selectors.project_get(project_id)
    owner = owner_of(actor)
    tasks = _locked(project, task_ids)
    results = []
    for task_id in task_ids:
        task = tasks.get(task_id)
        if task is None:
            status = "unknown"
        elif task.status == Status.SKIPPED and task.lease_owner == owner:
            status = "saved"
        elif _may_take(task, owner):
            TASK.require(task, Status.SKIPPED, lease_owner=owner, **_FREE)
            status = "saved"
        else:
            status = "taken"
        results.append(Result(task_id, "", status))
    return results


def annotation_undo(
    *, actor: Actor, project_id: uuid.UUID, undos: Sequence[Undo], page: str = ""
) -> list[Result]:
    """Take the actor's own answers and skips back; the tasks are theirs again, leased.

    Each is `undone` (also when it was before), `frozen`, `taken` or `unknown`.

    Raises:
        NotFound: No such project.
    """
    access.require(actor, "label.write")
    project = selectors.project_get(project_id)
    tasks = _locked(project, [undo.task_id for undo in undos])
    results = []
    for undo in undos:
        task = tasks.get(undo.task_id)
        status = "unknown" if task is None else _undo(owner_of(actor), task, undo, page)
        results.append(Result(undo.task_id, undo.client_id, status))
    return results


def _undo(owner: str, task: Task, undo: Undo, page: str) -> str:
    if undo.client_id:
        rows = Annotation.objects.filter(task=task, author=owner, client_id=undo.client_id)
        answer = rows.first()
        if answer is None:
            return "unknown"
        if answer.undone_at is not None:
            return "undone"
        if answer.applied_at is not None:
            return "frozen"
        rows.update(undone_at=clock.now())
    elif task.status != Status.SKIPPED:
        return "undone" if task.lease_owner == owner else "taken"
    elif task.lease_owner != owner:
        return "taken"
    TASK.require(task, Status.LEASED, lease_owner=owner, lease_page=page, lease_until=lease_end())
    return "undone"
