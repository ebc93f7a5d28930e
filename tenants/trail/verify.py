"""Walk a tenant's chain and its copies, and name the first row that is not as it was sealed."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import uuid
from dataclasses import dataclass, field

from modelyard.core import clock, storage
from tenants.models import AuditEvent, Tenant
from tenants.scoping.context import tenant_scope
from tenants.trail import documents, proof, selectors
from tenants.trail.models import Seal
from tenants.trail.services import FOLDER, anchor_key

PAGE = 500
OVERDUE = dt.timedelta(hours=1)
_KEY = re.compile(r"/(\d{12})\.json$")


@dataclass(frozen=True)
class Flaw:
    """The first thing that is wrong.

    Attributes:
        code: changed, removed, reordered, truncated, rebuilt, copy_missing or overdue.
        seq: Number of the first bad row; 0 when it has none.
        event_id: Its event, where that is known.
        says: A sentence.
    """

    code: str
    seq: int
    event_id: str
    says: str


@dataclass
class Verdict:
    """What was found of one tenant."""

    tenant_id: str
    slug: str
    sealed: int = 0
    unsealed: int = 0
    copied: int = 0
    head: str = proof.NOTHING
    flaw: Flaw | None = None


@dataclass
class _Walk:
    """Where the walk stands."""

    copies: dict[int, str]
    tenant_id: uuid.UUID
    seq: int = 0
    hash: str = proof.NOTHING
    copied: int = 0
    flaw: Flaw | None = field(default=None)
    retired: dt.datetime | None = None

    def step(self, seal: Seal, event: AuditEvent | None) -> None:
        """Check one seal against the one before it, its event, and its copy."""
        number = self.seq + 1
        if seal.seq != number:
            self.flaw = Flaw(
                "removed", number, "", f"the seal of row #{number} is gone (next is #{seal.seq})"
            )
        elif event is None and not self._retired(seal):
            self.flaw = _flaw("removed", seal, f"event {seal.event_id} was removed")
        elif event is not None and proof.chain(self.hash, _text(event, seal)) != seal.hash:
            self.flaw = _flaw(
                "changed",
                seal,
                f"event {event.pk} ({event.action}, {documents.moment(event.created_at)}) is not "
                "what was sealed: it or its seal was changed or moved",
            )
        elif number in self.copies and not self._same_as_copy(seal):
            first = self.copied + 1
            self.flaw = Flaw(
                "rebuilt",
                first,
                "",
                f"rows #{first} to #{number} are not those whose head lies in the object store: "
                "the chain was rebuilt",
            )
        else:
            self.seq, self.hash = number, seal.hash
            self.copied = number if number in self.copies else self.copied

    def _retired(self, seal: Seal) -> bool:
        """Tell whether the event may be gone: its workspace keeps it no longer.

        What it said can't be checked any more; its hash still is, by the seal after it.
        """
        return self.retired is not None and seal.sealed_at < self.retired

    def _same_as_copy(self, seal: Seal) -> bool:
        """Compare by ETag, which is mostly the MD5 of the bytes, and by reading where it is not."""
        data = documents.anchor_bytes(seal)
        if self.copies[seal.seq] == hashlib.md5(data, usedforsecurity=False).hexdigest():
            return True
        return storage.get_bytes(anchor_key(self.tenant_id, seal.seq)) == data


def _text(event: AuditEvent, seal: Seal) -> str:
    return documents.sealed_text(event, seal.seq, seal.sealed_at)


def _flaw(code: str, seal: Seal, says: str) -> Flaw:
    return Flaw(code, seal.seq, str(seal.event_id), f"row #{seal.seq}: {says}")


def tenant_verify(tenant: Tenant) -> Verdict:
    """Check one tenant's audit trail; short transactions, no lock.

    Raises:
        Unavailable: The object store can't be asked.
    """
    # Listed first: heads that are sealed and copied meanwhile can't look cut off.
    walk = _Walk(_copies(tenant.pk), tenant.pk)
    with tenant_scope(tenant.pk):
        walk.retired = selectors.retired_before()
    while walk.flaw is None and _page(walk):
        pass
    verdict = Verdict(str(tenant.pk), tenant.slug, walk.seq, copied=walk.copied, head=walk.hash)
    with tenant_scope(tenant.pk):
        verdict.unsealed = selectors.unsealed_count()
        verdict.flaw = walk.flaw or _cut_off(walk) or _not_copied(walk) or _overdue()
    return verdict


def _copies(tenant_id: uuid.UUID) -> dict[int, str]:
    found = {}
    for one in storage.list_keys(storage.tenant_key(tenant_id, FOLDER) + "/"):
        match = _KEY.search(one.key)
        if match:
            found[int(match.group(1))] = one.etag
    return found


def _page(walk: _Walk) -> bool:
    with tenant_scope(walk.tenant_id):
        seals = selectors.seals_after(walk.seq, PAGE)
        events = selectors.events_of(seals)
    for seal in seals:
        walk.step(seal, events.get(seal.event_id))
        if walk.flaw is not None:
            return False
    return len(seals) == PAGE


def _cut_off(walk: _Walk) -> Flaw | None:
    last = max(walk.copies, default=0)
    if last <= walk.seq:
        return None
    first = walk.seq + 1
    return Flaw(
        "truncated",
        first,
        "",
        f"rows #{first} to #{last} were cut off the end: the object store holds the head #{last}",
    )


def _not_copied(walk: _Walk) -> Flaw | None:
    gone = [seq for seq in selectors.copied_seqs() if seq not in walk.copies]
    if not gone:
        return None
    return Flaw(
        "copy_missing",
        gone[0],
        "",
        f"the copy of head #{gone[0]} is gone from the object store ({len(gone)} in all)",
    )


def _overdue() -> Flaw | None:
    late = selectors.unsealed_count(older_than=clock.now() - OVERDUE)
    if not late:
        return None
    return Flaw(
        "overdue",
        0,
        "",
        f"{late} events are older than an hour and not sealed: see that the scheduler runs; an "
        "event that stays so was not written by the platform",
    )
