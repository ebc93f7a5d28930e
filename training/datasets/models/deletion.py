"""Deletions of datasets: how far each is; the row stays when it is done."""

from __future__ import annotations

from django.db import models

from tenants.scoping.manager import TenantOwned
from training.datasets import states
from training.datasets.models.dataset import Dataset
from training.datasets.models.work import Work


class Deletion(Work):
    """The end of a dataset: `total` rows to take out, `done` so far."""

    dataset = models.ForeignKey(
        Dataset,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="deletions",
    )

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "dataset"], name="datasets_deletion_once"),
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(states.WORK.moves)),
                name="datasets_deletion_status",
            ),
        ]
        indexes = [
            models.Index(
                fields=["status", "moved_at"],
                condition=models.Q(status__in=["waiting", "running"]),
                name="datasets_deletion_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dataset_id} ({self.status})"
