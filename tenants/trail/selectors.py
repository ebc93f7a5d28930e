"""Reads: events with their seals, heads of chains, what is still to be sealed or copied."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet

from modelyard.core import clock
from tenants.models import AuditEvent, User
from tenants.trail import proof
from tenants.trail.models import Anchor, Seal

_SEALER = 7_241_066_013
"""Number of the advisory lock that the sealer holds."""

_HEADS = """
select t.id, s.seq, s.hash from unnest(%s::uuid[]) as t (id)
cross join lateral (
  select seq, hash from trail_seal where tenant_id = t.id order by seq desc limit 1
) s
"""
_UNCOPIED = """
select t.tenant_id, s.id from (select distinct tenant_id from trail_seal where id >= %s) t
cross join lateral (
  select id, seq from trail_seal where tenant_id = t.tenant_id order by seq desc limit 1
) s
where not exists (select from trail_anchor a where a.tenant_id = t.tenant_id and a.seq = s.seq)
"""

RETIRED = "audit.retired"
"""The event that says that events were removed because the workspace keeps them no longer."""
SHORTEST = dt.timedelta(days=6 * 31)
"""The shortest time for which a workspace may keep its events."""


@dataclass(frozen=True)
class Head:
    """The end of a chain."""

    seq: int = 0
    hash: str = proof.NOTHING


def sealer_lock() -> bool:
    """Take the sealer's lock to the end of the transaction; False while another one holds it."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_xact_lock(%s)", [_SEALER])
        row = cursor.fetchone()
    return bool(row and row[0])


def looked_at_from(lag: dt.timedelta) -> uuid.UUID:
    """Return the lowest id of events that may be unsealed: `lag` before the newest sealed one.

    Ids begin with the milliseconds at which they were made (RFC 9562). A transaction that is
    open for longer than `lag` needs a later look with a longer one.
    """
    newest = Seal.objects.order_by("-id").values_list("id", flat=True).first()
    if newest is None:
        return uuid.UUID(int=0)
    now = int(clock.now().timestamp() * 1000)
    first = min(newest.int >> 80, now) - int(lag.total_seconds() * 1000)
    return uuid.UUID(int=max(first, 0) << 80)


def unsealed(first: uuid.UUID, limit: int) -> list[AuditEvent]:
    """Return events from id `first` on that have no seal, oldest first."""
    sealed = Seal.objects.filter(id=OuterRef("id"), id__gte=first)
    return list(AuditEvent.objects.filter(~Exists(sealed), id__gte=first).order_by("id")[:limit])


def heads(tenant_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Head]:
    """Return the ends of the chains of these tenants; a tenant without a chain is left out."""
    with connection.cursor() as cursor:
        cursor.execute(_HEADS, [list(tenant_ids)])
        return {row[0]: Head(row[1], row[2]) for row in cursor.fetchall()}


def heads_uncopied(first: uuid.UUID) -> list[Seal]:
    """Return ends of chains that are not in the object store, of seals from id `first` on."""
    with connection.cursor() as cursor:
        cursor.execute(_UNCOPIED, [first])
        found = [row[1] for row in cursor.fetchall()]
    return list(Seal.objects.filter(id__in=found).order_by("id"))


def unsealed_count(*, older_than: dt.datetime | None = None) -> int:
    """Return how many events of the tenant in scope have no seal."""
    rows = AuditEvent.objects.filter(~Exists(Seal.objects.filter(id=OuterRef("id"))))
    if older_than is not None:
        rows = rows.filter(created_at__lt=older_than)
    return rows.count()


def head() -> Head:
    """Return the end of the chain of the tenant in scope."""
    row = Seal.objects.order_by("-seq").first()
    return Head() if row is None else Head(row.seq, row.hash)


def retired_before() -> dt.datetime | None:
    """Return before which moment sealed events of the tenant in scope may be gone; None: none may.

    Said by an event, sealed as every other; one that claims more than is allowed counts not.
    """
    found = []
    for event in AuditEvent.objects.filter(action=RETIRED).order_by("-id")[:1000]:
        before = dt.datetime.fromisoformat(str(event.facts.get("before")))
        if before <= event.created_at - SHORTEST:
            found.append(before)
    return max(found, default=None)


def retired_seq() -> int:
    """Return the number of the last seal whose event may be gone, 0 for none."""
    before = retired_before()
    if before is None:
        return 0
    last = Seal.objects.filter(sealed_at__lt=before).order_by("-seq").first()
    return 0 if last is None else last.seq


def copied_seqs() -> list[int]:
    """Return which heads of the tenant in scope were copied, in order."""
    return list(Anchor.objects.order_by("seq").values_list("seq", flat=True))


def seals_after(seq: int, limit: int) -> list[Seal]:
    """Return seals of the tenant in scope, in order, from the one after `seq` on."""
    return list(Seal.objects.filter(seq__gt=seq).order_by("seq")[:limit])


def seals_of(events: Sequence[AuditEvent]) -> dict[uuid.UUID, Seal]:
    """Return id of an event -> its seal."""
    return Seal.objects.in_bulk([event.pk for event in events])


def events_of(seals: Sequence[Seal]) -> dict[uuid.UUID, AuditEvent]:
    """Return id -> event, of those seals whose event is there."""
    return AuditEvent.objects.in_bulk([seal.event_id for seal in seals])


def hashes_before(seals: Iterable[Seal]) -> dict[int, str]:
    """Return seq -> hash of the seal before it."""
    wanted = [seal.seq - 1 for seal in seals]
    found = dict(Seal.objects.filter(seq__in=wanted).values_list("seq", "hash"))
    return {seq + 1: found.get(seq, proof.NOTHING) for seq in wanted}


def event_list() -> QuerySet[AuditEvent]:
    """Return the events of the tenant in scope."""
    return AuditEvent.objects.all()


def unsealed_events(rows: QuerySet[AuditEvent], seq: int) -> QuerySet[AuditEvent]:
    """Return those of `rows` that have no seal up to `seq`, oldest first."""
    sealed = Seal.objects.filter(id=OuterRef("id"), seq__lte=seq)
    return rows.filter(~Exists(sealed)).order_by("id")


def members(tenant_id: uuid.UUID) -> QuerySet[User]:
    """Return who works in the workspace, by address."""
    return User.objects.filter(memberships__tenant_id=tenant_id).order_by("email")
