"""Examples: the rows of a dataset."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import QuerySet, Value

from tenants.scoping.manager import TenantManager, TenantOwned
from training.datasets.models.dataset import Dataset
from training.datasets.models.upload import Upload


class LiveManager(TenantManager["Example"]):
    """The rows that no change removed."""

    def get_queryset(self) -> QuerySet[Example]:
        """Return the live rows of the tenant in scope."""
        return super().get_queryset().filter(removed_in=None)


class Example(TenantOwned):
    """A row of a dataset; `live` are those that no change removed.

    A true repeat (same text, same label) is kept once.

    Attributes:
        data: `{"text": str}` and, where the record had more, `{"fields": {...}}`. A row that is an
            image has its file's name as text, and `{"image": {...}}` (see `image`).
        content_hash: SHA-256 of text (or image) and label, in hex; unique in the dataset, removed
            rows included: a file that brings a removed row again adds nothing.
        group_hash: SHA-256 of the text (or image), in hex; one group never crosses splits.
        tags: Short words of the customer's own, sorted.
        origin: Where the row comes from when not from a file: `{"url", "licence", "at"}`.
        removed_in: The change that removed it; null for a live row.
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
    tags = ArrayField(models.CharField(max_length=64), default=list, db_default=Value("{}"))
    origin = models.JSONField(null=True)
    removed_in = models.UUIDField(null=True)

    live: ClassVar[LiveManager] = LiveManager()

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "dataset", "content_hash"], name="datasets_example_once"
            )
        ]
        indexes = [
            models.Index(fields=["tenant_id", "upload"], name="datasets_example_upload"),
            models.Index(
                fields=["tenant_id", "dataset", "id"],
                condition=models.Q(removed_in=None),
                name="datasets_example_live",
            ),
            models.Index(
                fields=["tenant_id", "dataset", "label", "id"],
                condition=models.Q(removed_in=None),
                name="datasets_example_label",
            ),
            models.Index(
                fields=["tenant_id", "dataset", "id"],
                condition=models.Q(removed_in=None) & ~models.Q(tags=[]),
                name="datasets_example_tagged",
            ),
        ]

    def __str__(self) -> str:
        return f"line {self.line}: {self.label}"

    @property
    def text(self) -> str:
        """The text, as it was in the file."""
        return str(self.data["text"])

    @property
    def image(self) -> dict[str, Any] | None:
        """The image's `key` in the store, `sha256`, media `type`, `width`, `height`, `bytes`.

        None for a row that is a text. Beside the key lies a thumbnail, under `<key>.thumb`.
        """
        found: dict[str, Any] | None = self.data.get("image")
        return found
