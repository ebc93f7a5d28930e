"""What labelling looks like on the wire: the serializers of the API, in and out."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from rest_framework import serializers

from modelyard.core.http.serializers import BodySerializer
from training.labeling import selectors
from training.labeling.models import Project, Task
from training.labeling.types import Result

MAX_ITEMS = 100


class LabelOut(serializers.Serializer[object]):
    """A label and its key on the page ('' without one)."""

    name = serializers.CharField()
    key = serializers.CharField()


class ProjectIn(BodySerializer):
    """A new project: a task for each row without a label, or for all rows."""

    dataset_id = serializers.UUIDField()
    name = serializers.CharField(max_length=120)
    labels = serializers.ListField(child=serializers.CharField(max_length=200), max_length=200)
    guidelines = serializers.CharField(max_length=20_000, allow_blank=True, default="")
    labelled_too = serializers.BooleanField(default=False)


class ProjectOut(serializers.Serializer[object]):
    """A project in a list."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    dataset_id = serializers.UUIDField()
    status = serializers.CharField()
    labels = LabelOut(many=True)
    guidelines = serializers.CharField()
    created_at = serializers.DateTimeField()
    task_count = serializers.IntegerField()
    done_count = serializers.IntegerField()


class TaskCountsOut(serializers.Serializer[object]):
    """Tasks by state; `done` is accepted and skipped."""

    total = serializers.IntegerField()
    done = serializers.IntegerField()
    waiting = serializers.IntegerField()
    leased = serializers.IntegerField()
    accepted = serializers.IntegerField()
    skipped = serializers.IntegerField()


class ProjectDetailOut(ProjectOut):
    """A project with its counts."""

    counts = TaskCountsOut()
    label_counts = serializers.DictField(child=serializers.IntegerField())


class LeaseIn(BodySerializer):
    """A wish for tasks."""

    n = serializers.IntegerField(min_value=1, max_value=MAX_ITEMS, default=20)
    page = serializers.CharField(max_length=64, allow_blank=True, default="")
    resume = serializers.BooleanField(default=False)


class SuggestionOut(serializers.Serializer[object]):
    """What a model says."""

    label = serializers.CharField()  # type: ignore[assignment]  # DRF's word
    score = serializers.FloatField()
    source = serializers.CharField()  # type: ignore[assignment]  # DRF's word


class TaskOut(serializers.Serializer[object]):
    """A task to answer."""

    id = serializers.UUIDField()
    seq = serializers.IntegerField()
    line = serializers.IntegerField()
    text = serializers.CharField()
    suggestion = SuggestionOut(allow_null=True)


class LeaseOut(serializers.Serializer[object]):
    """Tasks that are the caller's alone until `until`; renew them, or answer."""

    tasks = TaskOut(many=True)
    until = serializers.DateTimeField()
    counts = TaskCountsOut()


class RenewIn(BodySerializer):
    """Tasks to keep."""

    tasks = serializers.ListField(child=serializers.UUIDField(), max_length=2 * MAX_ITEMS)


class RenewOut(serializers.Serializer[object]):
    """Until when they are kept, and those that are not the caller's any more."""

    until = serializers.DateTimeField()
    lost = serializers.ListField(child=serializers.UUIDField())


class AnswerIn(BodySerializer):
    """An answer; `client_id` is yours, and a repeat of it counts once."""

    task = serializers.UUIDField()
    label = serializers.CharField(max_length=200)  # type: ignore[assignment]  # DRF's word
    client_id = serializers.CharField(max_length=64)
    duration_ms = serializers.IntegerField(
        min_value=0, max_value=86_400_000, allow_null=True, default=None
    )


class AnswersIn(BodySerializer):
    """Answers, in their order."""

    items = serializers.ListField(child=AnswerIn(), max_length=MAX_ITEMS)


class UndoneIn(BodySerializer):
    """An answer to take back by its `client_id`; '' takes a skip back."""

    task = serializers.UUIDField()
    client_id = serializers.CharField(max_length=64, allow_blank=True, default="")


class UndoIn(BodySerializer):
    """What to take back; the tasks are leased to the caller again."""

    items = serializers.ListField(child=UndoneIn(), max_length=MAX_ITEMS)
    page = serializers.CharField(max_length=64, allow_blank=True, default="")


class SkipIn(BodySerializer):
    """Tasks to set aside."""

    tasks = serializers.ListField(child=serializers.UUIDField(), max_length=MAX_ITEMS)


class ResultOut(serializers.Serializer[object]):
    """What became of an item: `saved`, `taken`, `undone`, `frozen`, `unknown`."""

    task = serializers.UUIDField(source="task_id")
    client_id = serializers.CharField()
    status = serializers.CharField()


class ResultsOut(serializers.Serializer[object]):
    """One result an item, in their order."""

    results = ResultOut(many=True)


class FrozenOut(serializers.Serializer[object]):
    """The version that is being frozen, and what became of the labels."""

    version_id = serializers.UUIDField()
    number = serializers.IntegerField()
    counts = serializers.DictField(child=serializers.IntegerField())


def project_body(project: Project) -> dict[str, Any]:
    """Return a project with its counts."""
    return {
        **ProjectOut(project).data,
        "counts": TaskCountsOut(selectors.project_counts(project.pk)).data,
        "label_counts": selectors.label_counts(project.pk),
    }


def task_bodies(project: Project, task_ids: Sequence[uuid.UUID]) -> list[dict[str, Any]]:
    """Return the tasks with text, and with a suggestion that the project has a label for."""
    names = set(project.label_names)
    return [_task_body(task, names) for task in selectors.task_list(task_ids)]


def _task_body(task: Task, names: set[str]) -> dict[str, Any]:
    said = next((one for one in task.suggestions.all() if one.label in names), None)
    return {
        "id": str(task.pk),
        "seq": task.seq,
        "line": task.example.line,
        "text": task.example.text,
        "suggestion": None
        if said is None
        else {"label": said.label, "score": said.score, "source": said.source},
    }


def results_body(results: Sequence[Result]) -> dict[str, Any]:
    """Return the results."""
    return {"results": ResultOut(results, many=True).data}
