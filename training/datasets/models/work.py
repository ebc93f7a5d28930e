"""What every long piece of work on a dataset has: a state, a lease, and how far it is."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.scoping.manager import TenantOwned


class Work(TenantOwned):
    """A row that a worker claims, renews and ends; see `services.work`.

    Attributes:
        attempt: Claims so far; the number fences the writes of an earlier claim.
        done: Units finished, of `total` (0: not known yet).
        error_code: Why it failed, a key of `reasons`; '' otherwise.
    """

    class Status(models.TextChoices):
        """How far it is."""

        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    status = models.CharField(max_length=16, default=Status.WAITING)
    moved_at = models.DateTimeField()
    attempt = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    error_code = models.CharField(max_length=48, blank=True)
    error_data = models.JSONField(default=dict)

    class Meta(TenantOwned.Meta):
        abstract = True
