"""The embedding map of a dataset, and the rows that people choose on it."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from tenants.scoping.manager import TenantOwned
from training.datasets import states
from training.datasets.models.dataset import Dataset
from training.datasets.models.work import Work


class Map(Work):
    """The newest map of a dataset's rows; made anew, the former one stays until it is done.

    Attributes:
        phase: What its worker does: `reading`, `embedding`, `placing`; '' before and after.
        done: Rows of `total` that are done in this phase.
        mark: What the rows were when it began, see `checking.rows_mark`.
        points_key: S3 key of the points, see `services.maps`; '' before the first map is done.
        points: Rows on it.
        rows: Live rows that the dataset had.
        base: The base model that read them.
        unlabelled: Rows on it without a label.
        labels: [label, rows on the map], most frequent first; the points name them by place.
        areas: Of the plane, the largest first: `{rows, label, label_rows, differing, typical}`,
            where `typical` is the id of a row.
        made_at: When it was done.
    """

    dataset = models.ForeignKey(
        Dataset, db_constraint=False, db_index=False, on_delete=models.CASCADE, related_name="maps"
    )
    phase = models.CharField(max_length=16, blank=True)
    mark = models.CharField(max_length=64, blank=True)
    points_key = models.CharField(max_length=255, blank=True)
    points = models.IntegerField(default=0)
    rows = models.BigIntegerField(default=0)
    base = models.CharField(max_length=64, blank=True)
    unlabelled = models.IntegerField(default=0)
    labels = models.JSONField(default=list)
    areas = models.JSONField(default=list)
    made_at = models.DateTimeField(null=True)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "dataset"], name="datasets_map_once"),
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(states.WORK.moves)),
                name="datasets_map_status",
            ),
        ]
        indexes = [
            models.Index(
                fields=["status", "moved_at"],
                condition=models.Q(status__in=["waiting", "running"]),
                name="datasets_map_open",
            )
        ]

    def __str__(self) -> str:
        return f"map of {self.dataset_id} ({self.status})"


class Pick(TenantOwned):
    """Rows that somebody chose on a map, under an id that filters and changes can name.

    Attributes:
        examples: Ids of the rows.
    """

    dataset = models.ForeignKey(
        Dataset, db_constraint=False, db_index=False, on_delete=models.CASCADE, related_name="picks"
    )
    examples = ArrayField(models.UUIDField())

    class Meta(TenantOwned.Meta):
        indexes = [
            models.Index(fields=["tenant_id", "dataset", "-id"], name="datasets_pick_recent")
        ]

    def __str__(self) -> str:
        return f"{len(self.examples)} rows"
