"""What the door reads in Valkey about keys and deployments: put, dropped, never cached elsewhere.

A record is a copy of rows in PostgreSQL. Whoever changes such a row drops the record on commit
(`key_drop`, `deployment_drop`), so that the change acts on the next request; the door has it
rebuilt when it is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import redis

from training.serving.runtime import names, scripts

LIFETIME_MS = 300_000
"""A record is read again at least this often, should a drop ever be lost."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What one API key, or one signed-in person in a workspace, may do at the door.

    Attributes:
        tenant_id: Whose deployments it reaches.
        scopes: Scope names, such as `predict`.
        period: Name of the billing period, part of the counter's key: `2026-11-03`.
        quota: Predictions the plan allows in the period; None is no limit.
        used: Predictions of the period already in the ledger; seeds a lost counter.
        expires_ms: Unix milliseconds when the key ends; None is never.
        period_ends_ms: Unix milliseconds when period or limits end, and this record with them.
        rate: Requests a second in the long run; 0 is no limit.
        burst: Requests that may come at once.
        cap: Requests of the tenant that may be in flight at once on a shard.
        soft: Beyond this many in flight, the tenant's requests queue behind the others'.
        key_id: Id of the API key; '' for signed-in people.
        networks: Where it may be used from, each as the first binary digits of its addresses
            (`tenants.addresses.prefix`); none is everywhere.
        key_rate: As `rate`, for this key alone.
        key_burst: As `burst`, for this key alone.
    """

    tenant_id: str
    scopes: tuple[str, ...]
    period: str
    quota: int | None = None
    used: int = 0
    expires_ms: int | None = None
    period_ends_ms: int | None = None
    rate: float = 50.0
    burst: int = 100
    cap: int = 64
    soft: int = 8
    key_id: str = ""
    networks: tuple[str, ...] = ()
    key_rate: float = 0.0
    key_burst: int = 0

    def fields(self) -> dict[str, str]:
        """Return the fields of the hash in Valkey."""
        return {
            "tenant": self.tenant_id,
            "scopes": " ".join(self.scopes),
            "expires": "" if self.expires_ms is None else str(self.expires_ms),
            "interval": f"{1000 / self.rate:.3f}" if self.rate else "0",
            "burst": str(self.burst),
            "cap": str(self.cap),
            "soft": str(self.soft),
            "quota": "" if self.quota is None else str(self.quota),
            "period": self.period,
            "key": self.key_id,
            "networks": " ".join(f"*{network}" for network in self.networks),
            "key_interval": f"{1000 / self.key_rate:.3f}" if self.key_rate else "0",
            "key_burst": str(self.key_burst),
        }


@dataclass(frozen=True, slots=True)
class DeploymentEntry:
    """Where a deployment runs: only `live` lets a request in."""

    deployment_id: str
    version_id: str
    status: str
    shard: str

    def fields(self) -> dict[str, str]:
        """Return the fields of the hash in Valkey."""
        return {
            "deployment": self.deployment_id,
            "version": self.version_id,
            "status": self.status,
            "shard": self.shard,
        }


class Rebuild(Protocol):
    """Reads the truth from PostgreSQL when the door misses a record."""

    def key(self, digest: str) -> KeyRecord:
        """Return the record of a key; raises Unauthenticated when there is no such live key."""

    def deployment(self, tenant_id: str, name: str) -> DeploymentEntry:
        """Return the entry of a deployment; raises NotFound when the tenant has none so named."""


def key_put(client: redis.Redis, digest: str, record: KeyRecord, *, lease: str, now: int) -> bool:
    """Put a rebuilt key record; False when it was dropped meanwhile."""
    lifetime = LIFETIME_MS
    if record.period_ends_ms is not None:
        lifetime = max(1, min(lifetime, record.period_ends_ms - now))
    counter = names.used_predictions(record.tenant_id, record.period)
    return _put(
        client,
        (names.key_record(digest), counter),
        (lease, lifetime, record.used),
        record.fields(),
    )


def deployment_put(
    client: redis.Redis, tenant_id: str, name: str, entry: DeploymentEntry, *, lease: str
) -> bool:
    """Put a rebuilt deployment entry; False when it was dropped meanwhile."""
    key = names.deployment(tenant_id, name)
    return _put(client, (key, ""), (lease, LIFETIME_MS, 0), entry.fields())


def key_drop(client: redis.Redis, *digests: str) -> None:
    """Forget key records, and any rebuild of them under way: call on commit of every change."""
    keys = [names.key_record(digest) for digest in digests]
    if keys:
        client.delete(*keys, *(f"{key}:lease" for key in keys))


def deployment_drop(client: redis.Redis, tenant_id: str, *deployment_names: str) -> None:
    """Forget deployment entries, and any rebuild of them under way: call on commit."""
    keys = [names.deployment(tenant_id, name) for name in deployment_names]
    if keys:
        client.delete(*keys, *(f"{key}:lease" for key in keys))


def _put(
    client: redis.Redis,
    keys: tuple[str, str],
    head: tuple[str, int, int],
    fields: dict[str, str],
) -> bool:
    flat = [item for pair in fields.items() for item in pair]
    return bool(client.eval(scripts.PUT, 2, *keys, *head, *flat))
