"""Frozen versions of a dataset, which example is in which split of them, and comparisons."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.scoping.manager import TenantOwned
from training.datasets import states
from training.datasets.models.dataset import Dataset
from training.datasets.models.example import Example
from training.datasets.models.work import Work


class DatasetVersion(TenantOwned):
    """A dataset's labelled rows at one moment, split and immutable once frozen.

    Attributes:
        grouping: What never crosses splits: `{"by": "exact"|"near"|"field", "field": name}`.
        augmentation: How rows were made from those of train (`augment.spec`); {} for not at all.
        rows: Real ones; `augmented_rows` are the made ones.
        split_labels: Split -> label -> rows.
        parent: The newest frozen version when this one was ordered.
        notes: What people wrote for its data card.
        done: Rows gone through so far, of `total`, while it is being frozen.
    """

    class Status(models.TextChoices):
        """Whether it may be used."""

        FREEZING = "freezing", _("freezing")
        FROZEN = "frozen", _("frozen")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")
        DELETING = "deleting", _("being deleted")
        DELETED = "deleted", _("deleted")

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
    grouping = models.JSONField(default=dict)
    stratified = models.BooleanField(default=True)
    augmentation = models.JSONField(default=dict)
    augmented_rows = models.PositiveIntegerField(default=0)
    split_labels = models.JSONField(default=dict)
    parent = models.UUIDField(null=True)
    notes = models.TextField(blank=True)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    error_data = models.JSONField(default=dict)

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
                condition=models.Q(status__in=["freezing", "deleting"]),
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


class Comparison(Work):
    """What differs between two versions of a dataset, or a version and the rows of today.

    Attributes:
        before: The version it starts from.
        after: The version it is compared with; null: the labelled rows of today.
        counts: Rows `added`, `removed`, `relabelled`, `reworded`, `moved` (to another split).
        files_key: Prefix in S3 of the whole list, as `rows.csv` and `rows.jsonl`.
    """

    status = models.CharField(max_length=16, choices=Work.Status.choices, default="waiting")
    dataset = models.ForeignKey(
        Dataset,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="comparisons",
    )
    before = models.ForeignKey(
        DatasetVersion,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="comparisons_from",
    )
    after = models.ForeignKey(
        DatasetVersion,
        db_constraint=False,
        db_index=False,
        null=True,
        on_delete=models.CASCADE,
        related_name="comparisons_to",
    )
    counts = models.JSONField(default=dict)
    files_key = models.CharField(max_length=255, blank=True)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(states.WORK.moves)),
                name="datasets_comparison_status",
            )
        ]
        indexes = [
            models.Index(fields=["tenant_id", "dataset", "-id"], name="datasets_comparison_recent"),
            models.Index(
                fields=["status", "moved_at"],
                condition=models.Q(status__in=["waiting", "running"]),
                name="datasets_comparison_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.before_id} against {self.after_id or 'today'}"


class ComparisonRow(TenantOwned):
    """One row that differs.

    Attributes:
        kind: `added`, `removed`, `relabelled` or `reworded`.
        before: `{"text", "label", "split"}`, or null where it was added.
        after: The same, or null where it was removed.
    """

    comparison = models.ForeignKey(
        Comparison,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="comparison_rows",
    )
    kind = models.CharField(max_length=12)
    seq = models.PositiveIntegerField()
    example_id = models.UUIDField()
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "comparison", "kind", "seq"], name="datasets_comparisonrow_seq"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.example_id}"
