"""What augmented rows are worth: one measurement a version."""

from __future__ import annotations

from django.db import models

from tenants.scoping.manager import TenantOwned
from training.datasets import states
from training.datasets.models import Dataset, DatasetVersion, Work


class Gain(Work):
    """Whether the augmented rows of a version help, measured by training with and without them.

    A measurement that was stopped or failed goes on with the trainings it has: each is paid once.

    Attributes:
        base: The base model of all trainings.
        augmentation: `operations`, `per_row` and `templates` of the version, without its words:
            what may be offered again, also when the version is gone.
        trainings: Those that are over: `{"key", "seed", "augmented", "macro_f1", "accuracy",
            "train_ms", "predicted"}`; `predicted` are class indices of the validation rows, kept
            until the result is there.
        truth: `{"labels": how many, "true": class indices of the validation rows}`, as long.
        result: `{"mean", "low", "high", "verdict", "differences", "rows"}`, scores from 0 to 1.
        eta_seconds: What is left, while it runs.
    """

    status = models.CharField(
        max_length=16, choices=Work.Status.choices, default=Work.Status.WAITING
    )
    dataset = models.ForeignKey(
        Dataset,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="gains",
    )
    version = models.ForeignKey(
        DatasetVersion,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="gains",
    )
    base = models.CharField(max_length=120)
    augmentation = models.JSONField(default=dict)
    trainings = models.JSONField(default=list)
    truth = models.JSONField(default=dict)
    result = models.JSONField(default=dict)
    eta_seconds = models.FloatField(null=True)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "version"], name="loops_gain_once"),
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(states.WORK.moves)), name="loops_gain_status"
            ),
        ]
        indexes = [
            models.Index(fields=["tenant_id", "dataset", "-id"], name="loops_gain_recent"),
            models.Index(
                fields=["status", "moved_at"],
                condition=models.Q(status__in=["waiting", "running"]),
                name="loops_gain_open",
            ),
        ]

    def __str__(self) -> str:
        return f"gain of {self.version}"
