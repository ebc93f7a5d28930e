"""Writes: seal events into their tenants' chains, copy the heads to the object store."""

from __future__ import annotations

import datetime as dt
import uuid

import structlog
from django.db import IntegrityError

from modelyard.core import clock, storage
from tenants import audit
from tenants.access import Actor
from tenants.models import Tenant
from tenants.scoping.context import ops_scope
from tenants.trail import documents, proof, selectors
from tenants.trail.models import Anchor, Seal
from tenants.trail.selectors import Head

BATCH = 1000
NEAR = dt.timedelta(minutes=15)
"""How far back each run looks; no transaction of a request may last so long."""
FAR = dt.timedelta(days=2)
"""How far back the sweep looks, for transactions that committed later still."""
FOLDER = "audit"
logger = structlog.get_logger(__name__)


def trail_seal(*, lag: dt.timedelta = NEAR) -> int:
    """Seal what is not sealed yet, then copy the heads; return how many events were sealed.

    The order of the chain is that of sealing: within a batch that of ids, and an event whose
    transaction committed late follows those that were sealed meanwhile.

    Raises:
        Unavailable: The object store refused; the seals stand, the next run copies their heads.
    """
    count, done = 0, BATCH
    while done == BATCH:
        done = _batch_seal(lag)
        count += done
    heads_copy(lag=lag)
    return count


def _batch_seal(lag: dt.timedelta) -> int:
    with ops_scope("seal the audit trail"):
        # One sealer at a time: two would give out one number twice.
        if not selectors.sealer_lock():
            return 0
        events = selectors.unsealed(selectors.looked_at_from(lag), BATCH)
        ends = selectors.heads({event.tenant_id for event in events})
        now, seals = clock.now(), []
        for event in events:
            end = ends.get(event.tenant_id, Head())
            text = documents.sealed_text(event, end.seq + 1, now)
            head = Head(end.seq + 1, proof.chain(end.hash, text))
            ends[event.tenant_id] = head
            seals.append(
                Seal(
                    id=event.pk,
                    tenant_id=event.tenant_id,
                    seq=head.seq,
                    hash=head.hash,
                    sealed_at=now,
                )
            )
        Seal.objects.bulk_create(seals)
    return len(seals)


def anchor_key(tenant_id: uuid.UUID, seq: int) -> str:
    """Return the key of the copy of a head: in the order of their numbers."""
    return storage.tenant_key(tenant_id, FOLDER, f"{seq:012d}.json")


def heads_copy(*, lag: dt.timedelta = NEAR) -> int:
    """Copy ends of chains to the object store, where they are never overwritten."""
    with ops_scope("copy the heads of the audit trail"):
        found = selectors.heads_uncopied(selectors.looked_at_from(lag))
    return sum(_head_copy(seal) for seal in found)


def _head_copy(seal: Seal) -> bool:
    key, data = anchor_key(seal.tenant_id, seal.seq), documents.anchor_bytes(seal)
    is_new = storage.put_new(key, data, content_type="application/json")
    if not is_new and storage.get_bytes(key) != data:
        # Never overwritten: `modelyard audit verify` reads it as the evidence that it is.
        logger.error("trail.head_differs", tenant_id=str(seal.tenant_id), seq=seal.seq)
        return False
    try:
        with ops_scope("note a copied head of the audit trail"):
            Anchor.objects.bulk_create(
                [Anchor(tenant_id=seal.tenant_id, seq=seal.seq)], ignore_conflicts=True
            )
    except IntegrityError:
        # The workspace was deleted meanwhile: nothing of it may stay.
        storage.delete(key)
        return False
    return True


def export_note(*, actor: Actor, tenant: Tenant, filters: dict[str, str]) -> None:
    """Write into the trail that `actor` took a copy of it."""
    audit.record(actor, "audit.exported", tenant, filters=filters)
