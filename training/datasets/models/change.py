"""Changes: what was done to the rows of a dataset at once, and can be undone."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.scoping.manager import TenantOwned
from training.datasets import states
from training.datasets.models.dataset import Dataset
from training.datasets.models.example import Example
from training.datasets.models.work import Work


class Change(Work):
    """A fix or bulk action on a dataset's rows; a frozen version never changes with it.

    Attributes:
        kind: A key of `services.changes.KINDS`.
        params: What the kind needs, with the selection of rows.
        rows: Rows that it changed.
        kept: Rows that an undo left alone, since somebody changed them afterwards.
    """

    class Status(models.TextChoices):
        """How far it is."""

        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        UNDOING = "undoing", _("being undone")
        UNDONE = "undone", _("undone")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    dataset = models.ForeignKey(
        Dataset,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="changes",
    )
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.WAITING)
    kind = models.CharField(max_length=32)
    params = models.JSONField(default=dict)
    actor = models.CharField(max_length=64)
    rows = models.BigIntegerField(default=0)
    kept = models.BigIntegerField(default=0)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(states.CHANGE.moves)),
                name="datasets_change_status",
            )
        ]
        indexes = [
            models.Index(fields=["tenant_id", "dataset", "-id"], name="datasets_change_recent"),
            models.Index(
                fields=["status", "moved_at"],
                condition=models.Q(status__in=["waiting", "running", "undoing"]),
                name="datasets_change_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.status})"


class ChangeRow(TenantOwned):
    """What a change did to one example.

    Attributes:
        before: What it was: those of `data`, `label`, `tags`, `removed` (bool) that changed.
        after: What it became, with the same keys.
    """

    change = models.ForeignKey(
        Change,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="change_rows",
    )
    example = models.ForeignKey(
        Example,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="change_rows",
    )
    before = models.JSONField()
    after = models.JSONField()

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "change", "example"], name="datasets_changerow_once"
            )
        ]
        indexes = [models.Index(fields=["tenant_id", "example"], name="datasets_changerow_example")]

    def __str__(self) -> str:
        return f"{self.example_id}: {self.before} -> {self.after}"
