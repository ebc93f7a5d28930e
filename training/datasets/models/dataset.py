"""Datasets, and how many rows of each label they have."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from tenants.scoping.manager import TenantOwned

OF_TEXTS, OF_IMAGES = "text_classification", "image_classification"
TASKS = [OF_TEXTS, "token_classification", OF_IMAGES]


class Dataset(TenantOwned):
    """Texts or images with labels under one name; it grows by uploads; versions are trained on.

    Attributes:
        task: What its rows are for, and so whether they are texts or images; the first import
            of an empty dataset sets it.
        deleted_at: Since when nobody finds it; the row stays for what was trained on it.
    """

    name = models.CharField(_("name"), max_length=120)
    task = models.CharField(max_length=32, default=OF_TEXTS)

    deleted_at = models.DateTimeField(null=True)

    # Filled by `selectors.dataset_list` and `dataset_get`.
    example_count: int
    version_count: int

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(
                "tenant_id",
                Lower("name"),
                condition=models.Q(deleted_at=None),
                name="datasets_dataset_name",
            ),
            models.CheckConstraint(
                condition=models.Q(task__in=TASKS), name="datasets_dataset_task"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def holds_images(self) -> bool:
        """Whether its rows are images."""
        return self.task == OF_IMAGES


class Tally(TenantOwned):
    """How many live rows of a label a dataset has; kept by triggers, in the rows' transaction.

    Counting a million rows takes longer than a page may, so nothing counts them.
    """

    dataset = models.ForeignKey(
        Dataset,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="tallies",
    )
    label = models.CharField(max_length=200, null=True)  # noqa: DJ001 - null: not labelled yet
    rows = models.BigIntegerField()

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "dataset", "label"],
                name="datasets_tally_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.rows} x {self.label}"


class WordList(TenantOwned):
    """The customer's own words for augmentation: what may stand in place of what.

    Attributes:
        entries: Word -> its replacements.
    """

    dataset = models.ForeignKey(
        Dataset,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="word_lists",
    )
    entries = models.JSONField(default=dict)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "dataset"], name="datasets_wordlist_once")
        ]

    def __str__(self) -> str:
        return f"{len(self.entries)} words"
