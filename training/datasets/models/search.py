"""What search reads: each row's folded text, and how far the filling of it is."""

from __future__ import annotations

from django.db import models

from tenants.scoping.manager import TenantOwned
from training.datasets.models.dataset import Dataset
from training.datasets.models.work import Work


class SearchRow(TenantOwned):
    """The folded text of one example, under the example's own id; it goes with the example.

    Attributes:
        folded: `datasets_fold(text)`: NFKC, lower case, each character of a script without
            spaces three times, so that one of them makes a trigram.
    """

    dataset = models.ForeignKey(
        Dataset, db_constraint=False, db_index=False, on_delete=models.CASCADE, related_name="+"
    )
    folded = models.TextField()

    class Meta(TenantOwned.Meta):
        pass

    def __str__(self) -> str:
        return self.folded[:40]


class SearchIndex(Work):
    """Which rows of a dataset search doesn't cover yet; made and marked by a trigger.

    Attributes:
        since: Every row from this id on may be missing; null: none is.
        marks: Counts the statements that added rows, so that a worker knows of newer ones.
        done: Rows covered, about; exact when all are.
    """

    dataset = models.ForeignKey(
        Dataset, db_constraint=False, db_index=False, on_delete=models.CASCADE, related_name="+"
    )
    since = models.UUIDField(null=True)
    marks = models.BigIntegerField(default=0)

    class Meta(Work.Meta):
        abstract = False
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "dataset"], name="datasets_searchindex_once"
            ),
            models.CheckConstraint(
                condition=models.Q(
                    status__in=["waiting", "running", "done", "failed", "cancelled"]
                ),
                name="datasets_searchindex_status",
            ),
        ]
        indexes = [
            models.Index(
                fields=["status", "moved_at"],
                condition=models.Q(status__in=["waiting", "running"]),
                name="datasets_searchindex_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.dataset_id} ({self.status})"
