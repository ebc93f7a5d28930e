"""Reads of labelling projects, within the tenant in scope."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db.models import Count, F, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from modelyard.core import clock
from modelyard.core.errors import NotFound
from tenants.selectors import people_named
from training.labeling.models import Annotation, Project, Suggestion, Task
from training.labeling.types import Counts

Status = Task.Status
ENDED = Q(status__in=[Status.ACCEPTED, Status.SKIPPED])
LIVE = Q(example__removed_in=None)
"""What a task meets whose example was not removed from the dataset in the meantime."""


def _counted(condition: Q) -> Coalesce:
    rows = Task.objects.filter(condition, project=OuterRef("pk")).order_by().values("project")
    return Coalesce(Subquery(rows.annotate(n=Count("id")).values("n")), 0)


def project_list() -> QuerySet[Project]:
    """Return the projects with dataset, `task_count` and `done_count`, newest first."""
    counts = {"task_count": _counted(LIVE | ENDED), "done_count": _counted(ENDED)}
    return Project.objects.select_related("dataset").annotate(**counts).order_by("-id")


def project_get(project_id: uuid.UUID) -> Project:
    """Return one project with its dataset.

    Raises:
        NotFound: There is none here.
    """
    project: Project | None = project_list().filter(pk=project_id).first()
    if project is None:
        raise NotFound(_("There is no such labelling project here. Check the address."))
    return project


def free() -> Q:
    """Return what a task meets that may be handed out: open, or its lease is over."""
    return Q(status=Status.OPEN) | Q(status=Status.LEASED, lease_until__lt=clock.now())


def project_counts(project_id: uuid.UUID) -> Counts:
    """Return how many tasks are in which state."""
    tasks = Task.objects.filter(LIVE | ENDED, project=project_id)
    found = tasks.aggregate(
        waiting=Count("id", filter=free()),
        unanswered=Count("id", filter=Q(status__in=[Status.OPEN, Status.LEASED])),
        accepted=Count("id", filter=Q(status=Status.ACCEPTED)),
        skipped=Count("id", filter=Q(status=Status.SKIPPED)),
    )
    leased = found["unanswered"] - found["waiting"]
    return Counts(found["waiting"], leased, found["accepted"], found["skipped"])


def standing(project_id: uuid.UUID) -> QuerySet[Annotation]:
    """Return the answers that count."""
    return Annotation.objects.filter(task__project=project_id, undone_at=None)


def label_counts(project_id: uuid.UUID) -> dict[str, int]:
    """Return how many tasks got each label, most frequent first."""
    rows = standing(project_id).values_list("label").annotate(n=Count("id")).order_by("-n", "label")
    return dict(rows)


def author_counts(project_id: uuid.UUID) -> list[tuple[str, int]]:
    """Return who answered how much, most first; a key is called by its kind."""
    rows = list(standing(project_id).values_list("author").annotate(n=Count("id")).order_by("-n"))
    people = people_named([author.removeprefix("user:") for author, _n in rows
                           if author.startswith("user:")])  # fmt: skip
    return [
        (people.get(author.removeprefix("user:"), _("API key")), count) for author, count in rows
    ]


def unapplied(project_id: uuid.UUID) -> QuerySet[Annotation]:
    """Return the answers that are in no version yet, with task and example."""
    return standing(project_id).filter(applied_at=None).select_related("task__example")


def task_list(task_ids: Sequence[uuid.UUID]) -> list[Task]:
    """Return the tasks with example and suggestion, in the queue's order."""
    rows = Task.objects.filter(pk__in=task_ids).select_related("example")
    rows = rows.prefetch_related(Prefetch("suggestions", queryset=Suggestion.objects.all()))
    return list(rows.order_by("-priority", "seq"))


def without_suggestion(project_id: uuid.UUID, count: int) -> list[Task]:
    """Return the next tasks that nobody has answered and no model has seen, with example."""
    rows = Task.objects.filter(
        LIVE, project=project_id, status__in=[Status.OPEN, Status.LEASED], suggestions=None
    )
    rows = rows.select_related("example").order_by(F("priority").desc(), "seq")
    return list(rows[:count])


def suggested_ahead(project_id: uuid.UUID, enough: int) -> bool:
    """Tell whether `enough` tasks that nobody has answered have a suggestion."""
    rows = Task.objects.filter(
        project=project_id, status__in=[Status.OPEN, Status.LEASED], suggestions__isnull=False
    )
    return len(rows.order_by().values_list("pk")[:enough]) >= enough
