"""A sealed audit trail, and what its database's owner could do to it."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Callable

from django.db import connection, models

from modelyard.core import clock
from tenants import audit
from tenants.access import ROLE_PERMISSIONS, Actor
from tenants.models import AuditEvent, Tenant
from tenants.scoping.context import tenant_scope
from tenants.trail import documents, proof, services
from tenants.trail.models import Seal
from tests.factories import owner_of

ACTIONS = ("dataset.created", "run.submitted", "deployment.stopped", "key.created", "run.retried")
FACTS = ({}, {"name": "Reviews"}, {"n": 3, "f1": 0.8125, "names": ["good", "bad"]}, {"x": 1e-7})


def act(tenant: Tenant, *, times: int = 1, seed: int = 0) -> None:
    """Let somebody do something, unsealed."""
    chance = random.Random(seed)
    kinds = [
        owner_of(tenant),
        Actor("staff", str(uuid.uuid4()), tenant.pk, ROLE_PERMISSIONS["viewer"]),
        Actor("system", "system", tenant.pk),
    ]
    with tenant_scope(tenant.pk):
        for n in range(times):
            facts = {**chance.choice(FACTS), "n": n}
            audit.record(chance.choice(kinds), chance.choice(ACTIONS), tenant, **facts)


def sealed_trail(tenant: Tenant, *, events: int, every: int) -> int:
    """Make `events` events, sealed and copied `every` so many; return how many there are."""
    for start in range(0, events, every):
        act(tenant, times=min(every, events - start), seed=start)
        services.trail_seal()
    with tenant_scope(tenant.pk):
        return Seal.objects.count()


def _row(rows: models.QuerySet, **values: object) -> None:
    assert rows.update(**values) == 1


def _event(seq: int) -> models.QuerySet:
    return AuditEvent.objects.filter(pk=Seal.objects.get(seq=seq).pk)


def edit_event(chance: random.Random, last: int) -> int:
    """Change one column of an event."""
    seq = chance.randint(1, last)
    name, value = chance.choice(
        [
            ("actor_kind", "key"),
            ("actor_id", str(uuid.uuid4())),
            ("action", "run.cancelled"),
            ("object_kind", "run"),
            ("object_id", str(uuid.uuid4())),
            ("request_id", "req_x"),
            ("facts", {"n": -1}),
            ("created_at", clock.now() - dt.timedelta(days=3)),
        ]
    )
    _row(_event(seq), **{name: value})
    return seq


def edit_seal(chance: random.Random, last: int) -> int:
    """Change hash or time of a seal."""
    seq = chance.randint(1, last)
    name, value = chance.choice(
        [("hash", uuid.uuid4().hex * 2), ("sealed_at", clock.now() - dt.timedelta(days=3))]
    )
    _row(Seal.objects.filter(seq=seq), **{name: value})
    return seq


def delete_event(chance: random.Random, last: int) -> int:
    """Remove an event and leave its seal."""
    seq = chance.randint(1, last)
    assert _event(seq).delete()[0] == 1
    return seq


def delete_both(chance: random.Random, last: int) -> int:
    """Remove an event with its seal."""
    seq = chance.randint(1, last)
    _event(seq).delete()
    assert Seal.objects.filter(seq=seq).delete()[0] == 1
    return seq


def delete_and_renumber(chance: random.Random, last: int) -> int:
    """Remove an event with its seal and close the gap."""
    seq = chance.randint(1, last - 1)
    _event(seq).delete()
    Seal.objects.filter(seq=seq).delete()
    for later in range(seq + 1, last + 1):
        _row(Seal.objects.filter(seq=later), seq=later - 1)
    return seq


def swap_events(chance: random.Random, last: int) -> int:
    """Let two events change places: everything but their ids."""
    one, two = sorted(chance.sample(range(1, last + 1), 2))
    columns = [field.name for field in AuditEvent._meta.fields if field.name != "id"]
    first, second = _event(one).values(*columns).get(), _event(two).values(*columns).get()
    _row(_event(one), **second)
    _row(_event(two), **first)
    return one


def swap_seals(chance: random.Random, last: int) -> int:
    """Let two seals change numbers."""
    one, two = sorted(chance.sample(range(1, last + 1), 2))
    first = Seal.objects.get(seq=one).pk
    _row(Seal.objects.filter(seq=one), seq=last + 1)
    _row(Seal.objects.filter(seq=two), seq=one)
    _row(Seal.objects.filter(pk=first), seq=two)
    return one


def cut_off(chance: random.Random, last: int) -> int:
    """Remove the end: seals, and mostly the events too."""
    first = chance.randint(1, last)
    gone = list(Seal.objects.filter(seq__gte=first).values_list("pk", flat=True))
    if chance.random() < 0.8:
        AuditEvent.objects.filter(pk__in=gone).delete()
    Seal.objects.filter(pk__in=gone).delete()
    return first


def rebuild(chance: random.Random, last: int) -> int:
    """Change an event and compute every hash from there on anew."""
    seq = chance.randint(1, last)
    _row(_event(seq), action="run.cancelled", object_id="other")
    rechain(seq, last)
    return seq


def rechain(first: int, last: int) -> None:
    """Write hashes that fit the events, from `first` on."""
    before = Seal.objects.filter(seq=first - 1).values_list("hash", flat=True).first()
    previous = before or proof.NOTHING
    for seq in range(first, last + 1):
        seal = Seal.objects.get(seq=seq)
        text = documents.sealed_text(_event(seq).get(), seq, seal.sealed_at)
        previous = proof.chain(previous, text)
        _row(Seal.objects.filter(seq=seq), hash=previous)


TAMPERS: list[Callable[[random.Random, int], int]] = [
    edit_event, edit_event, edit_seal, delete_event, delete_both, delete_and_renumber,
    swap_events, swap_seals, cut_off, cut_off, rebuild,
]  # fmt: skip
"""What the owner of the database could do; each returns the first row that is not as sealed."""


def as_web(sql: str) -> None:
    """Run a statement with the rights of the web login."""
    with connection.cursor() as cursor:
        cursor.execute("set local role modelyard_web")
        cursor.execute(sql)
