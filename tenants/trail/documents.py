"""An audit event and its seal as JSON: what is hashed, exported and answered by the API."""

from __future__ import annotations

import datetime as dt

from tenants.models import AuditEvent
from tenants.trail import proof
from tenants.trail.models import Seal


def moment(value: dt.datetime) -> str:
    """Write a time in UTC with its microseconds."""
    return value.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def event_document(event: AuditEvent) -> dict[str, object]:
    """Return every column of the event."""
    return {
        "id": str(event.pk),
        "tenant_id": str(event.tenant_id),
        "created_at": moment(event.created_at),
        "actor_kind": event.actor_kind,
        "actor_id": event.actor_id,
        "action": event.action,
        "object_kind": event.object_kind,
        "object_id": event.object_id,
        "facts": event.facts,
        "request_id": event.request_id,
    }


def sealed_text(event: AuditEvent, seq: int | None, sealed_at: dt.datetime | None) -> str:
    """Return the text that a seal covers."""
    return proof.canonical(
        {
            "event": event_document(event),
            "seq": seq,
            "sealed_at": None if sealed_at is None else moment(sealed_at),
            "v": proof.VERSION,
        }
    )


def line(event: AuditEvent, seal: Seal | None, previous: str) -> str:
    """Return a row of the export: its own canonical JSON, whose last member is what was sealed."""
    if seal is None:
        return f'{{"hash":null,"previous":null,"sealed":{sealed_text(event, None, None)}}}\n'
    text = sealed_text(event, seal.seq, seal.sealed_at)
    return f'{{"hash":"{seal.hash}","previous":"{previous}","sealed":{text}}}\n'


def anchor_bytes(seal: Seal) -> bytes:
    """Return what is copied to the object store of the head `seal`."""
    document = {
        "hash": seal.hash,
        "sealed_at": moment(seal.sealed_at),
        "seq": seal.seq,
        "tenant_id": str(seal.tenant_id),
    }
    return proof.canonical(document).encode()
