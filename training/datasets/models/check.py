"""Checks of a dataset's health, and the rows that they point at."""

from __future__ import annotations

from django.db import models

from tenants.scoping.manager import TenantOwned
from training.datasets import states
from training.datasets.models.dataset import Dataset
from training.datasets.models.example import Example
from training.datasets.models.work import Work


class Check(Work):
    """The newest answer to one question about a dataset's rows.

    Attributes:
        kind: A key of `states.CHECKS`.
        result: Counts for the sentence, the plot and the table; never a piece of a text.
        rows_seen: Rows that were looked at.
        mark: What the rows were when it began, see `checking.rows_mark`.
        asked_at: When it was asked for last; later than its start, it runs once more.
    """

    dataset = models.ForeignKey(
        Dataset,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="checks",
    )
    status = models.CharField(
        max_length=16, choices=Work.Status.choices, default=Work.Status.WAITING
    )
    kind = models.CharField(max_length=16)
    result = models.JSONField(default=dict)
    rows_seen = models.BigIntegerField(default=0)
    mark = models.CharField(max_length=64, blank=True)
    asked_at = models.DateTimeField()

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "dataset", "kind"], name="datasets_check_once"
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(states.WORK.moves)),
                name="datasets_check_status",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=states.CHECKS), name="datasets_check_kind"
            ),
        ]
        indexes = [
            models.Index(
                fields=["status", "moved_at"],
                condition=models.Q(status__in=["waiting", "running"]),
                name="datasets_check_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.status})"


class Flag(TenantOwned):
    """A row that a check points at, once.

    Attributes:
        source: The check.
        group: What the rows that belong together share: the id of one of them; null alone.
        keep: Whether the row is the one of its group that stays when the others go.
        data: What is to be said of it: kinds, offsets, numbers; never a piece of the text.
    """

    source = models.ForeignKey(
        Check,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="flags",
    )
    example = models.ForeignKey(
        Example,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="flags",
    )
    group = models.UUIDField(null=True)
    keep = models.BooleanField(default=False)
    data = models.JSONField(default=dict)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "source", "example"], name="datasets_flag_once"
            )
        ]
        indexes = [
            # Only where there is a group: the planner must not take it for a row's flag.
            models.Index(
                fields=["tenant_id", "source", "group"],
                condition=models.Q(group__isnull=False),
                name="datasets_flag_group",
            ),
            models.Index(fields=["tenant_id", "example"], name="datasets_flag_example"),
        ]

    def __str__(self) -> str:
        return f"{self.example_id}: {self.data}"
