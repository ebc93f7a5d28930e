"""Datasets, their uploads, their examples, and their frozen versions."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from tenants.scoping.manager import TenantOwned
from training.datasets import states


class Dataset(TenantOwned):
    """Texts with labels under one name; it grows by uploads and is trained on by versions."""

    name = models.CharField(_("name"), max_length=120)
    task = models.CharField(max_length=32, default="text_classification")

    # Filled by `selectors.dataset_list` and `dataset_get`.
    example_count: int
    version_count: int

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint("tenant_id", Lower("name"), name="datasets_dataset_name"),
            models.CheckConstraint(
                condition=models.Q(task__in=["text_classification"]), name="datasets_dataset_task"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Upload(TenantOwned):
    """One file on its way into a dataset: the row says how far it is and what came of it."""

    class Status(models.TextChoices):
        """How far it is."""

        RECEIVING = "receiving", _("receiving")
        VERIFYING = "verifying", _("checking")
        MAPPING = "mapping", _("waiting for you")
        IMPORTING = "importing", _("importing")
        DONE = "done", _("done")
        REJECTED = "rejected", _("rejected")
        ABANDONED = "abandoned", _("abandoned")

    dataset = models.ForeignKey(
        Dataset,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="uploads",
    )
    filename = models.CharField(max_length=255)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.RECEIVING)
    moved_at = models.DateTimeField()
    storage_key = models.CharField(max_length=255)
    multipart_id = models.CharField(max_length=255, blank=True)
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64, blank=True)

    format = models.CharField(max_length=8, blank=True)
    encoding = models.CharField(max_length=16, blank=True)
    mapping = models.JSONField(default=dict)
    preview = models.JSONField(default=dict)

    attempt = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    bytes_done = models.BigIntegerField(default=0)
    rows_read = models.PositiveIntegerField(default=0)
    rows_added = models.PositiveIntegerField(default=0)
    rows_repeated = models.PositiveIntegerField(default=0)
    rows_rejected = models.PositiveIntegerField(default=0)
    rejects = models.JSONField(default=list)
    rejects_key = models.CharField(max_length=255, blank=True)
    error_code = models.CharField(max_length=48, blank=True)
    error_data = models.JSONField(default=dict)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(states.UPLOAD.moves)),
                name="datasets_upload_status",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant_id", "dataset", "-id"], name="datasets_upload_recent"),
            models.Index(
                fields=["status", "moved_at"],
                condition=models.Q(status__in=["receiving", "verifying", "importing"]),
                name="datasets_upload_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.filename} ({self.status})"


class Example(TenantOwned):
    """A row of a dataset. A true repeat (same text, same label) is kept once.

    Attributes:
        data: By the dataset's task; here `{"text": str}`.
        content_hash: SHA-256 of text and label, in hex; unique in the dataset.
        group_hash: SHA-256 of the text, in hex; one group never crosses splits.
    """

    dataset = models.ForeignKey(
        Dataset,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="examples",
    )
    upload = models.ForeignKey(
        Upload,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="examples",
    )
    line = models.PositiveIntegerField()
    data = models.JSONField()
    label = models.CharField(max_length=200, null=True)  # noqa: DJ001 - null: not labelled yet
    content_hash = models.CharField(max_length=64)
    group_hash = models.CharField(max_length=64)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "dataset", "content_hash"], name="datasets_example_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["tenant_id", "dataset", "upload", "line"], name="datasets_example_order"
            ),
            models.Index(fields=["tenant_id", "upload"], name="datasets_example_upload"),
        ]

    def __str__(self) -> str:
        return f"line {self.line}: {self.label}"

    @property
    def text(self) -> str:
        """The text, as it was in the file."""
        return str(self.data["text"])


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
