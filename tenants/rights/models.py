"""Exports and retention of a tenant; deletions, which outlive the tenant."""

from __future__ import annotations

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.translation import gettext_lazy as _

from modelyard.core import ids
from tenants.rights import states
from tenants.scoping.manager import TenantOwned


class Export(TenantOwned):
    """One archive of everything a tenant has.

    Attributes:
        requested_by: `user:<id>` or `key:<id>`.
        attempt: Every write of the job names it, so that a job that lost its lease writes nothing.
        phase: What the job is at: `tables`, `objects`, `finishing`.
        item: The table or file it writes now.
        step: How many tables or files of the phase are written, out of `steps`.
        units: Work done, out of `units_all` (bytes of files; a row counts `ROW_UNITS`).
        rows: Table -> rows written.
        bytes: Size of the archive.
        sha256: Of `manifest.json` inside it.
    """

    class Status(models.TextChoices):
        """Where it stands."""

        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        READY = "ready", _("ready")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")
        EXPIRED = "expired", _("expired")

    requested_by = models.CharField(max_length=80)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.QUEUED)
    attempt = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    phase = models.CharField(max_length=16, blank=True)
    item = models.CharField(max_length=255, blank=True)
    step = models.PositiveIntegerField(default=0)
    steps = models.PositiveIntegerField(default=0)
    units = models.BigIntegerField(default=0)
    units_all = models.BigIntegerField(default=0)
    rows = models.JSONField(default=dict)
    files = models.PositiveIntegerField(default=0)
    storage_key = models.CharField(max_length=255, blank=True)
    multipart_id = models.CharField(max_length=255, blank=True)
    bytes = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    error_code = models.CharField(max_length=48, blank=True)
    error_message = models.CharField(max_length=500, blank=True)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(states.EXPORT.moves)),
                name="rights_export_status",
            ),
            models.UniqueConstraint(
                fields=["tenant_id"],
                condition=models.Q(status__in=states.OPEN_EXPORT),
                name="rights_export_one_at_work",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant_id", "-id"], name="rights_export_recent"),
            models.Index(
                fields=["created_at"],
                condition=models.Q(status__in=["queued", "running", "ready"]),
                name="rights_export_open",
            ),
        ]

    def __str__(self) -> str:
        return f"export of {self.created_at:%Y-%m-%d} ({self.status})"


class Retention(TenantOwned):
    """How long a tenant keeps what; `keep` is rule -> amount, null is for ever."""

    keep = models.JSONField(default=dict)

    class Meta(TenantOwned.Meta):
        constraints = [models.UniqueConstraint(fields=["tenant_id"], name="rights_retention_once")]

    def __str__(self) -> str:
        return f"retention {self.keep}"


class Deletion(models.Model):
    """The deletion of a workspace or a person; when done it is the tombstone.

    A directory without a key to its subject, since it stands when the subject is gone. Done, it
    holds no personal data: name, addresses and who asked are blanked once the mail is sent.

    Attributes:
        subject_id: Id of the tenant or person.
        subject_name: For the mail only.
        recipients: Addresses that get the certificate.
        phase: One of `states.PHASES`.
        evidence: What was found and removed so far; becomes part of the certificate.
        certificate: The signed document.
    """

    class Kind(models.TextChoices):
        """What is deleted."""

        TENANT = "tenant", _("workspace")
        PERSON = "person", _("account")

    class Status(models.TextChoices):
        """Where it stands."""

        SCHEDULED = "scheduled", _("scheduled")
        RUNNING = "running", _("running")
        CANCELLED = "cancelled", _("cancelled")
        DONE = "done", _("done")

    id = models.UUIDField(primary_key=True, default=ids.new, editable=False)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    subject_id = models.UUIDField()
    subject_name = models.CharField(max_length=120, blank=True)
    recipients = models.JSONField(default=list)
    requested_by = models.UUIDField(null=True)
    requested_at = models.DateTimeField(auto_now_add=True)
    due_at = models.DateTimeField()
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.SCHEDULED)
    cancelled_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    phase = models.CharField(max_length=16, blank=True)
    evidence = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    certificate = models.JSONField(null=True, encoder=DjangoJSONEncoder)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(states.DELETION.moves)),
                name="rights_deletion_status",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=["tenant", "person"]), name="rights_deletion_kind"
            ),
            models.UniqueConstraint(
                fields=["subject_id"],
                condition=~models.Q(status="cancelled"),
                name="rights_deletion_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(status__in=states.OPEN_DELETION),
                name="rights_deletion_open",
            )
        ]

    def __str__(self) -> str:
        return f"deletion of {self.kind} {self.subject_id} ({self.status})"
