"""Runs and what they said: the row is the queue of record, the events are append-only."""

from __future__ import annotations

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.scoping.manager import TenantOwned
from training.jobs.states import FINAL, HELD, RunStatus


class Run(TenantOwned):
    """One training, from the order to the model.

    `attempt` is the fencing token: it grows with every claim, and a worker's writes name the
    attempt they belong to. `starts` counts the claims since the last order (a retry by a person
    begins again at 0), so that a run that keeps losing its worker ends.
    """

    number = models.PositiveIntegerField()
    actor_kind = models.CharField(max_length=8)
    actor_id = models.CharField(max_length=64)
    dataset_version = models.ForeignKey(
        "datasets.DatasetVersion",
        db_constraint=False,
        db_index=False,
        on_delete=models.DO_NOTHING,
        related_name="runs",
    )
    model_name = models.CharField(_("model name"), max_length=80)
    spec = models.JSONField(encoder=DjangoJSONEncoder)
    status = models.CharField(max_length=16, choices=RunStatus.choices, default=RunStatus.QUEUED)
    attempt = models.PositiveIntegerField(default=0)
    starts = models.PositiveSmallIntegerField(default=0)
    lease_owner = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    queued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    phase = models.CharField(max_length=16, blank=True)
    step = models.PositiveIntegerField(default=0)
    steps = models.PositiveIntegerField(default=0)
    eta_seconds = models.FloatField(null=True, blank=True)
    train_ms = models.PositiveBigIntegerField(default=0)
    error_code = models.CharField(max_length=64, blank=True)
    error_message = models.TextField(blank=True)
    summary = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    output_version = models.ForeignKey(
        "registry.ModelVersion",
        db_constraint=False,
        db_index=False,
        on_delete=models.DO_NOTHING,
        null=True,
        blank=True,
        related_name="runs",
    )
    last_seq = models.PositiveIntegerField(default=0)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "number"], name="jobs_run_number"),
            models.CheckConstraint(
                condition=models.Q(status__in=RunStatus.values), name="jobs_run_status"
            ),
            models.CheckConstraint(
                condition=models.Q(status=RunStatus.SUCCEEDED, output_version__isnull=False)
                | ~models.Q(status=RunStatus.SUCCEEDED) & models.Q(output_version__isnull=True),
                name="jobs_run_output",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant_id", "-id"], name="jobs_run_recent"),
            models.Index(fields=["tenant_id", "dataset_version"], name="jobs_run_lineage"),
            models.Index(fields=["tenant_id", "output_version"], name="jobs_run_output_version"),
            models.Index(
                fields=["status", "lease_until"],
                condition=models.Q(status__in=sorted({RunStatus.QUEUED, *HELD})),
                name="jobs_run_open",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        """The name people read, e.g. `ticket-intent #42`."""
        return f"{self.model_name} #{self.number}"

    @property
    def is_final(self) -> bool:
        """Tell whether nothing more happens by itself."""
        return self.status in FINAL


class RunEvent(TenantOwned):
    """What happened in a run, in order; the browser resumes after any `seq`."""

    run = models.ForeignKey(
        Run, db_constraint=False, db_index=False, on_delete=models.CASCADE, related_name="events"
    )
    seq = models.PositiveIntegerField()
    attempt = models.PositiveIntegerField()
    kind = models.CharField(max_length=24)
    payload = models.JSONField(default=dict, encoder=DjangoJSONEncoder)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "run", "seq"], name="jobs_event_seq")
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.kind}"
