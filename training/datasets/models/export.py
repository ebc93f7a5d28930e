"""Exports: a dataset's rows, or a frozen version's, written to one file to download."""

from __future__ import annotations

from django.db import models

from tenants.scoping.manager import TenantOwned
from training.datasets import states
from training.datasets.models.dataset import Dataset
from training.datasets.models.version import DatasetVersion
from training.datasets.models.work import Work


class DatasetExport(Work):
    """One file of rows in a format of `formats.FORMATS`.

    Attributes:
        version: The frozen version whose rows it has; null: the dataset's live rows.
        rows: Rows in the file, counted when they were written.
        sha256: Of the file, in hex.
    """

    dataset = models.ForeignKey(
        Dataset,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="exports",
    )
    version = models.ForeignKey(
        DatasetVersion,
        null=True,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="exports",
    )
    format = models.CharField(max_length=24)
    actor = models.CharField(max_length=64)
    filename = models.CharField(max_length=255)
    storage_key = models.CharField(max_length=255, blank=True)
    rows = models.BigIntegerField(default=0)
    bytes = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)

    class Meta(TenantOwned.Meta):
        db_table = "datasets_export"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(states.WORK.moves)),
                name="datasets_export_status",
            )
        ]
        indexes = [
            models.Index(fields=["tenant_id", "dataset", "-id"], name="datasets_export_recent"),
            models.Index(
                fields=["status", "moved_at"],
                condition=models.Q(status__in=["waiting", "running"]),
                name="datasets_export_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.filename} ({self.status})"
