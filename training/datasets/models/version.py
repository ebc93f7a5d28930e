"""Frozen versions of a dataset, and which example is in which split of them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.scoping.manager import TenantOwned
from training.datasets import states
from training.datasets.models.dataset import Dataset
from training.datasets.models.example import Example


class DatasetVersion(TenantOwned):
    """A dataset's labelled rows at one moment, split and immutable once frozen."""

    class Status(models.TextChoices):
        """Whether it may be used."""

        FREEZING = "freezing", _("freezing")
        FROZEN = "frozen", _("frozen")
        FAILED = "failed", _("failed")

    dataset = models.ForeignKey(
        Dataset,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="versions",
    )
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.FREEZING)
    moved_at = models.DateTimeField()
    attempt = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    seed = models.PositiveIntegerField(default=0)
    shares = models.JSONField()
    rows = models.PositiveIntegerField(default=0)
    label_counts = models.JSONField(default=dict)
    split_counts = models.JSONField(default=dict)
    text_stats = models.JSONField(default=dict)
    content_hash = models.CharField(max_length=64, blank=True)
    rows_key = models.CharField(max_length=255, blank=True)
    frozen_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=48, blank=True)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "dataset", "number"], name="datasets_version_number"
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(states.VERSION.moves)),
                name="datasets_version_status",
            ),
        ]
        indexes = [
            models.Index(
                fields=["status", "moved_at"],
                condition=models.Q(status="freezing"),
                name="datasets_version_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.dataset} v{self.number}"


class VersionRow(TenantOwned):
    """Which example is in which split of a version."""

    version = models.ForeignKey(
        DatasetVersion,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="version_rows",
    )
    example = models.ForeignKey(
        Example,
        db_constraint=False,
        db_index=False,
        on_delete=models.DO_NOTHING,
        related_name="version_rows",
    )
    split = models.CharField(max_length=10)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "version", "example"], name="datasets_versionrow_once"
            ),
            models.CheckConstraint(
                condition=models.Q(split__in=states.SPLITS), name="datasets_versionrow_split"
            ),
        ]
        indexes = [
            models.Index(fields=["tenant_id", "example"], name="datasets_versionrow_example")
        ]

    def __str__(self) -> str:
        return f"{self.example_id} in {self.split}"
