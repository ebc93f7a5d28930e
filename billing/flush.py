"""From the buffer in Valkey to the ledger: read, insert, commit, delete.

There is no consumer group: a flusher that dies before the delete leaves its entries for the
next one, whose insert then finds them in the ledger. Several at once are harmless.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import cast

import redis
import structlog
from django.conf import settings
from django.db import connection

from billing import plans
from modelyard.core import ids, valkey
from tenants.scoping.context import ops_scope

BATCH = 500
ROUNDS = 40
"""Batches of one call: 20,000 entries, then the next call goes on."""

_INSERT = """
insert into billing_entry (id, tenant_id, created_at, entry_id, meter, amount, at, subject)
select r.id, r.tenant_id, now(), r.entry_id, %s, r.amount, to_timestamp(r.at_ms / 1000.0), r.subject
from jsonb_to_recordset(%s::jsonb) as r
  (id uuid, tenant_id uuid, entry_id text, amount bigint, at_ms double precision, subject jsonb)
join tenants_tenant t on t.id = r.tenant_id
on conflict (tenant_id, entry_id, meter) do nothing
"""
# The join leaves out the entries of a tenant that was deleted meanwhile: nobody can be charged.

logger = structlog.get_logger(__name__)
Raw = tuple[str, dict[str, str]]


def flush() -> int:
    """Move what is buffered into the ledger; return how many entries were new there."""
    client = valkey.serving()
    total = 0
    for stream in settings.USAGE_STREAMS:
        for _ in range(ROUNDS):
            batch = cast("list[Raw]", client.xrange(stream, count=BATCH))
            if not batch:
                break
            total += _write(client, stream, batch)
            if len(batch) < BATCH:
                break
    return total


def _write(client: redis.Redis, stream: str, batch: list[Raw]) -> int:
    rows, unreadable = [], []
    for entry in batch:
        row = _row(entry[1])
        if row is None:
            unreadable.append(entry)
        else:
            rows.append(row)
    with ops_scope("usage flush"), connection.cursor() as cursor:
        cursor.execute(_INSERT, [plans.PREDICTIONS, json.dumps(rows)])
        new = int(cursor.rowcount)
    # Only after the commit: what is deleted here stands in the ledger.
    pipe = client.pipeline(transaction=True)
    for number, fields in unreadable:
        logger.error("usage_entry_unreadable", stream=stream, entry=number, fields=fields)
        pipe.xadd(f"{stream}:unreadable", {"entry": number, "fields": json.dumps(fields)})
    pipe.xdel(stream, *(number for number, _ in batch))
    pipe.execute()
    return new


def _row(fields: dict[str, str]) -> dict[str, object] | None:
    try:
        tenant = str(uuid.UUID(fields["tenant"]))
        amount, tokens = int(fields["units"]), int(fields["tokens"])
        at_ms = int(fields["at"])
        dt.datetime.fromtimestamp(at_ms / 1000, tz=dt.UTC)
        subject = {
            "deployment": str(uuid.UUID(fields["deployment"])),
            "version": str(uuid.UUID(fields["version"])),
            "tokens": tokens,
        }
        entry_id = fields["rid"]
    except (KeyError, ValueError, OverflowError):
        return None
    if amount < 0 or not 0 < len(entry_id) <= 80:
        return None
    return {
        "id": str(ids.new()),
        "tenant_id": tenant,
        "entry_id": entry_id,
        "amount": amount,
        "at_ms": at_ms,
        "subject": subject,
    }
