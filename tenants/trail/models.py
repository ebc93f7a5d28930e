"""Seals over a tenant's audit events, and which of them were copied to the object store."""

from __future__ import annotations

import uuid

from django.db import models

from tenants.scoping.manager import TenantOwned


class Seal(TenantOwned):
    """One link of a tenant's chain; only the scheduler's login may add one, nobody changes any.

    There is no foreign key to the event: a seal must outlive an event that somebody removes.

    Attributes:
        id: Id of the event that it seals.
        seq: 1, 2, 3... in the order of sealing, which is not that of ids: an event whose
            transaction committed late is sealed late.
        hash: SHA-256 in hexadecimal, see `tenants.trail.proof`.
        sealed_at: Covered by the hash, as everything else of seal and event is.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    created_at = None  # type: ignore[assignment]
    seq = models.BigIntegerField()
    hash = models.CharField(max_length=64)
    sealed_at = models.DateTimeField()

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "seq"], name="trail_seal_seq"),
            models.CheckConstraint(condition=models.Q(seq__gte=1), name="trail_seal_from_one"),
        ]

    def __str__(self) -> str:
        return f"#{self.seq}"

    @property
    def event_id(self) -> uuid.UUID:
        """The event that it seals."""
        return self.id


class Anchor(TenantOwned):
    """Notes that the head of the chain at `seq` lies in the object store."""

    seq = models.BigIntegerField()

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "seq"], name="trail_anchor_seq")
        ]

    def __str__(self) -> str:
        return f"#{self.seq}"
