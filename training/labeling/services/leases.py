"""Who has which task: a lease is a row's owner and end, taken under `FOR UPDATE SKIP LOCKED`.

A lease that is over counts as open, so nothing has to sweep: the tasks of a page that died
come back by themselves.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext as _

from modelyard.core import clock, queue
from modelyard.core.errors import Conflict
from tenants import access
from tenants.access import Actor
from training.labeling import selectors
from training.labeling.models import Project, Task
from training.labeling.states import TASK
from training.labeling.types import Given

MAX_TASKS = 100
SUGGESTED_AHEAD = 60
"""Below this many tasks with a suggestion, the model is asked again."""


def owner_of(actor: Actor) -> str:
    """Return how leases and answers name an actor."""
    return f"{actor.kind}:{actor.id}"


def lease_end() -> dt.datetime:
    """Return until when a lease given now lasts."""
    return clock.now() + dt.timedelta(seconds=settings.LABEL_LEASE_SECONDS)


def lease_next(
    *, actor: Actor, project_id: uuid.UUID, count: int = 20, page: str = "", resume: bool = False
) -> Given:
    """Hand the next tasks to the actor, alone, for `LABEL_LEASE_SECONDS`.

    Args:
        actor: Who labels.
        project_id: From which project.
        count: How many at most.
        page: The client's own name for itself, so that it can resume.
        resume: First those that this very page holds already (it was reloaded).

    Raises:
        Conflict: `project_closed`.
        NotFound: No such project.
    """
    access.require(actor, "label.write")
    project = selectors.project_get(project_id)
    if project.status != Project.Status.OPEN:
        raise Conflict(
            _("This project is closed. Ask its owner to open it again."), code="project_closed"
        )
    until = lease_end()
    mine = Q(status=Task.Status.LEASED, lease_owner=owner_of(actor), lease_page=page)
    wanted = selectors.free() | mine if resume else selectors.free()
    rows = Task.objects.select_for_update(skip_locked=True, of=("self",))
    rows = rows.filter(wanted, selectors.LIVE, project=project)
    found = [task.pk for task in rows.order_by("-priority", "seq")[: min(count, MAX_TASKS)]]
    TASK.advance(
        Task.objects.filter(pk__in=found),
        "leased",
        lease_owner=owner_of(actor),
        lease_page=page,
        lease_until=until,
    )
    _ask_for_suggestions(actor, project)
    return Given(found, until)


def _ask_for_suggestions(actor: Actor, project: Project) -> None:
    """Ring for more suggestions before the labelers reach the end of those there are."""
    if not project.suggestion_deployment or project.suggestion_problem:
        return
    if selectors.suggested_ahead(project.pk, SUGGESTED_AHEAD):
        return
    if selectors.without_suggestion(project.pk, 1):
        queue.enqueue("loops.suggest", tenant_id=str(actor.tenant_id), project_id=str(project.pk))


def lease_renew(
    *, actor: Actor, project_id: uuid.UUID, task_ids: Sequence[uuid.UUID]
) -> tuple[dt.datetime, list[uuid.UUID]]:
    """Keep the named tasks for another while; return until when, and those that are lost.

    Raises:
        NotFound: No such project.
    """
    access.require(actor, "label.write")
    project = selectors.project_get(project_id)
    until = lease_end()
    mine = Task.objects.filter(
        project=project, pk__in=task_ids, status=Task.Status.LEASED, lease_owner=owner_of(actor)
    )
    mine.update(lease_until=until)
    kept = set(mine.values_list("pk", flat=True))
    return until, [task_id for task_id in task_ids if task_id not in kept]
