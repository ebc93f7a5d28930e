"""The audit trail: one row an act, in the transaction of the act.

Rows are written unsealed, so that writers of one workspace never wait for each other; the
scheduler seals them within seconds (`tenants.trail`).
"""

from __future__ import annotations

from django.db.models import Model

from tenants.access import Actor
from tenants.models import AuditEvent


def record(actor: Actor, action: str, thing: Model, **facts: object) -> None:
    """Write that `actor` did `action` (`run.submitted`) to `thing`.

    Each action has its words in `tenants.trail.words`; a test compares the two.
    """
    AuditEvent.objects.create(
        actor_kind=actor.kind,
        actor_id=actor.id,
        action=action,
        object_kind=thing._meta.model_name or "",  # noqa: SLF001 - Django's documented name
        object_id=str(thing.pk),
        facts=facts,
        request_id=actor.request_id,
    )
