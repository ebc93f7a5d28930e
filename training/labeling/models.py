"""Labelling projects, their tasks, the answers to them, and what models suggest."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from tenants.scoping.manager import TenantOwned
from training.labeling import states
from training.labeling.hotkeys import Label


class Project(TenantOwned):
    """Rows of a dataset that people label, with one set of labels.

    Attributes:
        labels: `[{"name": str, "key": str}]` in the order of the page.
        suggestion_deployment: Name of the deployment that is asked for suggestions, or ''.
        suggestion_problem: Why there are no suggestions, as a sentence, or ''.
    """

    class Status(models.TextChoices):
        """Whether tasks are handed out."""

        OPEN = "open", _("open")
        CLOSED = "closed", _("closed")

    dataset = models.ForeignKey(
        "datasets.Dataset",
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="labeling_projects",
    )
    name = models.CharField(max_length=120)
    labels: models.JSONField[list[Label], list[Label]] = models.JSONField()
    guidelines = models.TextField(blank=True)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.OPEN)
    suggestion_deployment = models.CharField(max_length=63, blank=True)
    suggestion_problem = models.CharField(max_length=500, blank=True)

    # Filled by `selectors.project_list`.
    task_count: int
    done_count: int

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint("tenant_id", Lower("name"), name="labeling_project_name"),
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(states.PROJECT.moves)),
                name="labeling_project_status",
            ),
        ]
        indexes = [models.Index(fields=["tenant_id", "dataset"], name="labeling_project_dataset")]

    def __str__(self) -> str:
        return self.name

    @property
    def label_names(self) -> list[str]:
        """The labels' names in order."""
        return [label["name"] for label in self.labels]


class Task(TenantOwned):
    """One example to label. Whoever leases it has it alone until `lease_until`.

    Attributes:
        lease_owner: `user:<id>` or `key:<id>`; stays after the answer, for its undo.
        lease_page: The page (or program) of the owner that holds it, so that a reloaded page
            gets its own tasks back and a second one does not.
    """

    class Status(models.TextChoices):
        """How far it is."""

        OPEN = "open", _("open")
        LEASED = "leased", _("with somebody")
        ACCEPTED = "accepted", _("labelled")
        SKIPPED = "skipped", _("skipped")

    project = models.ForeignKey(
        Project,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="tasks",
    )
    example = models.ForeignKey(
        "datasets.Example",
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="labeling_tasks",
    )
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.OPEN)
    priority = models.IntegerField(default=0)
    seq = models.PositiveIntegerField()
    lease_owner = models.CharField(max_length=80, blank=True)
    lease_page = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "project", "example"], name="labeling_task_once"
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(states.TASK.moves)),
                name="labeling_task_status",
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant_id", "project", "-priority", "seq"],
                condition=models.Q(status__in=["open", "leased"]),
                name="labeling_task_queue",
            ),
            models.Index(fields=["tenant_id", "project", "status"], name="labeling_task_state"),
            models.Index(fields=["tenant_id", "example"], name="labeling_task_example"),
        ]

    def __str__(self) -> str:
        return f"task {self.seq} ({self.status})"


class Annotation(TenantOwned):
    """One answer. It is never edited: an undo ends it, and another answer may follow.

    Attributes:
        author: `user:<id>` or `key:<id>`.
        client_id: Made by the client: the same answer sent twice is one row.
        applied_at: When the label went into the dataset; from then on it can't be undone.
    """

    task = models.ForeignKey(
        Task,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="annotations",
    )
    author = models.CharField(max_length=80)
    label = models.CharField(max_length=200)
    duration_ms = models.PositiveIntegerField(null=True)
    client_id = models.CharField(max_length=64)
    undone_at = models.DateTimeField(null=True)
    applied_at = models.DateTimeField(null=True)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "task", "author", "client_id"],
                name="labeling_annotation_client_id",
            ),
            models.UniqueConstraint(
                fields=["tenant_id", "task"],
                condition=models.Q(undone_at=None),
                name="labeling_annotation_one_stands",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label} by {self.author}"


class Suggestion(TenantOwned):
    """What a deployed model says of a task's text; the newest answer only.

    Attributes:
        version_id: The model version that answered (the registry stands above this app, so
            this is its id and no key).
        source: What people call it, e.g. `ticket-intent v12`.
        score: 0 to 1.
    """

    task = models.ForeignKey(
        Task,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="suggestions",
    )
    version_id = models.UUIDField()
    source = models.CharField(max_length=160)
    label = models.CharField(max_length=200)
    score = models.FloatField()

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "task"], name="labeling_suggestion_once")
        ]

    def __str__(self) -> str:
        return f"{self.label} by {self.source}"
