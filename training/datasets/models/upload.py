"""Files on their way into a dataset."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.scoping.manager import TenantOwned
from training.datasets import states
from training.datasets.models.dataset import Dataset


class Upload(TenantOwned):
    """One file on its way into a dataset: the row says how far it is and what came of it.

    Attributes:
        pull_id: The pull that brought it; null for one that a person or program sent.
        image_bytes: Of the images and thumbnails that its import stored, beside the file itself.
        collected: Whether a pull wrote it itself, from pages: then each record's `origin` is kept.
    """

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
    fingerprint = models.CharField(max_length=64, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)

    pull_id: uuid.UUID | None = models.UUIDField(null=True)  # type: ignore[assignment]
    collected = models.BooleanField(default=False)

    format = models.CharField(max_length=24, blank=True)
    encoding = models.CharField(max_length=16, blank=True)
    mapping = models.JSONField(default=dict)
    preview = models.JSONField(default=dict)

    attempt = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    image_bytes = models.BigIntegerField(default=0)
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
                fields=["tenant_id", "pull_id"],
                condition=models.Q(pull_id__isnull=False),
                name="datasets_upload_of_pull",
            ),
            models.Index(
                fields=["status", "moved_at"],
                condition=models.Q(status__in=["receiving", "verifying", "importing"]),
                name="datasets_upload_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.filename} ({self.status})"
