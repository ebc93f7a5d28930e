"""Every key of the serving path in Valkey, named once.

The serving database is one Valkey without clustering: the door reads a tenant's records and a
shard's streams in one script. Keys that hold anything of a tenant start with `t:<tenant>:`.
The scripts build the same names from the same parts; `scripts/door.lua` lists them.
"""

from __future__ import annotations

GROUP = "servers"
"""The consumer group of the model servers on both request streams."""

ALIVE_WINDOW_MS = 3000
"""A server that has not shown itself for this long is not counted as alive."""


def shard_prefix(shard: str) -> str:
    """Return the prefix of a shard's keys, with its hash tag: `{s0}:`."""
    return f"{{s{shard}}}:"


def queues(shard: str) -> tuple[str, str]:
    """Return the two request streams: within a tenant's share, and beyond it."""
    prefix = shard_prefix(shard)
    return f"{prefix}q0", f"{prefix}q1"


def alive(shard: str) -> str:
    """Return the sorted set of living servers, scored by Valkey's milliseconds."""
    return f"{shard_prefix(shard)}alive"


def inflight(shard: str) -> str:
    """Return the hash of accepted, undecided work: `<tenant>` and `<tenant>:units`."""
    return f"{shard_prefix(shard)}inflight"


def usage(shard: str) -> str:
    """Return the stream of metered answers that the ledger has not taken yet."""
    return f"{shard_prefix(shard)}usage"


def reply(process: str) -> str:
    """Return the reply stream of one web process."""
    return f"rep:{process}"


def key_record(digest: str) -> str:
    """Return the hash that holds what a key (or a session actor) may do."""
    return f"k:{digest}"


def deployment(tenant_id: str, name: str) -> str:
    """Return the hash that says where a tenant's deployment runs."""
    return f"t:{tenant_id}:dep:{name}"


def used_predictions(tenant_id: str, period: str) -> str:
    """Return the counter of a tenant's metered predictions in one billing period."""
    return f"t:{tenant_id}:used:predictions:{period}"


def idempotency(tenant_id: str, key: str) -> str:
    """Return the hash that makes a repeated request the same request."""
    return f"t:{tenant_id}:idem:{key}"
