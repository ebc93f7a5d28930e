"""Connectors: where a dataset's rows come from by themselves; their pulls, and what they saw."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.scoping.manager import TenantOwned
from training.datasets import states
from training.datasets.models.dataset import Dataset
from training.datasets.models.work import Work


class Connector(TenantOwned):
    """A place that rows of a dataset come from, once or by a schedule.

    Attributes:
        config: By kind. url, feed, sitemap: `{"url"}`, the latter two with `max_pages`; s3:
            `{"endpoint", "bucket", "prefix", "region", "access_key"}`.
        secret_sealed: The secret key to a bucket (see `modelyard.core.sealing`); null for others.
        next_at: When the next pull is due; null for none.
    """

    class Kind(models.TextChoices):
        """What it is."""

        URL = "url", _("File at an address")
        S3 = "s3", _("S3 bucket")
        FEED = "feed", _("RSS or Atom feed")
        SITEMAP = "sitemap", _("Sitemap")

    class Schedule(models.TextChoices):
        """How often it is pulled."""

        NONE = "none", _("Only when I say so")
        HOURLY = "hourly", _("Every hour")
        DAILY = "daily", _("Every day")
        WEEKLY = "weekly", _("Every week")

    dataset = models.ForeignKey(
        Dataset,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="connectors",
    )
    kind = models.CharField(max_length=16, choices=Kind.choices)
    name = models.CharField(max_length=120)
    config = models.JSONField()
    secret_sealed = models.BinaryField(null=True)
    schedule = models.CharField(max_length=16, choices=Schedule.choices, default=Schedule.NONE)
    next_at = models.DateTimeField(null=True)
    paused = models.BooleanField(default=False)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=["url", "s3", "feed", "sitemap"]),
                name="datasets_connector_kind",
            ),
            models.CheckConstraint(
                condition=models.Q(schedule__in=["none", "hourly", "daily", "weekly"]),
                name="datasets_connector_schedule",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant_id", "dataset", "-id"], name="datasets_connector_recent"),
            models.Index(
                fields=["next_at"],
                condition=models.Q(paused=False, next_at__isnull=False),
                name="datasets_connector_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.kind})"


class Pull(Work):
    """One run of a connector: it fetches, and hands what it fetched over as uploads.

    Attributes:
        scheduled: Whether the schedule started it, not a person.
        counts: `found`, `fetched`, `unchanged`, and `skipped`: a count by reason.
    """

    connector = models.ForeignKey(
        Connector,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="pulls",
    )
    status = models.CharField(
        max_length=16, choices=Work.Status.choices, default=Work.Status.WAITING
    )
    scheduled = models.BooleanField(default=False)
    counts = models.JSONField(default=dict)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(states.WORK.moves)),
                name="datasets_pull_status",
            ),
            models.UniqueConstraint(
                fields=["tenant_id", "connector"],
                condition=models.Q(status__in=["waiting", "running"]),
                name="datasets_pull_one_at_a_time",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant_id", "connector", "-id"], name="datasets_pull_recent"),
            models.Index(
                fields=["status", "moved_at"],
                condition=models.Q(status__in=["waiting", "running"]),
                name="datasets_pull_open",
            ),
        ]

    def __str__(self) -> str:
        return f"pull {self.pk} ({self.status})"


class Item(TenantOwned):
    """A page, file or object that a connector looked at: what came of it, and what we know of it.

    Attributes:
        address: URL of a page, key of an object.
        pull: The pull that looked at it last.
        outcome: `fetched`, `unchanged` or `skipped`.
        reason: Why it was skipped, a key of `collect.words.SKIPPED`; with `detail` for the words.
        etag, modified: What its server said of it, for asking "if it has changed" the next time.
        digest: SHA-256, in hex, of what was taken from it.
        upload_id: The upload that its content went into; null as long as none did.
    """

    connector = models.ForeignKey(
        Connector,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="items",
    )
    pull = models.ForeignKey(
        Pull, db_constraint=False, db_index=False, on_delete=models.CASCADE, related_name="items"
    )
    address = models.CharField(max_length=2048)
    at = models.DateTimeField()
    outcome = models.CharField(max_length=16)
    reason = models.CharField(max_length=48, blank=True)
    detail = models.JSONField(default=dict)
    etag = models.CharField(max_length=512, blank=True)
    modified = models.CharField(max_length=64, blank=True)
    digest = models.CharField(max_length=64, blank=True)
    upload_id: uuid.UUID | None = models.UUIDField(null=True)  # type: ignore[assignment]

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "connector", "address"], name="datasets_item_once"
            ),
            models.CheckConstraint(
                condition=models.Q(outcome__in=["fetched", "unchanged", "skipped"]),
                name="datasets_item_outcome",
            ),
        ]
        indexes = [models.Index(fields=["tenant_id", "pull", "id"], name="datasets_item_of_pull")]

    def __str__(self) -> str:
        return f"{self.address} ({self.outcome})"
