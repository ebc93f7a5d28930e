"""Many tenants in one database, and a tenant whose writers are sealed while they write."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from urllib.parse import urlsplit

import psycopg2
import pytest
from django.db import connection, connections

from tenants import audit
from tenants.models import AuditEvent
from tenants.scoping.context import tenant_scope
from tenants.trail.models import Seal
from tests.bench import crowd
from tests.bench.figures import Rounds, machine, spread, table
from tests.bench.worker import Worker
from tests.factories import make_tenant, owner_of
from tests.site import running, sign_up, stack

WRITERS = 20
ACTS = {"off": 100, "sealing": 100, "chained": 15}
"""Of each writer in a round."""
ROUNDS = 8
FEW, MANY = 10, 10_000
SIGN_UPS = 5


# --- (a) writers of one tenant ----------------------------------------------------------------


@contextmanager
def _writers() -> Iterator[Callable[[Callable[[], None], int], float]]:
    """Give a function that lets all writers do something often; it returns how often a second."""
    gate = threading.Barrier(WRITERS + 1)

    def write(one: Callable[[], None], times: int) -> None:
        gate.wait()
        for _ in range(times):
            one()

    with ThreadPoolExecutor(WRITERS) as pool:

        def together(one: Callable[[], None], times: int) -> float:
            done = [pool.submit(write, one, times) for _ in range(WRITERS)]
            gate.wait()
            started = time.monotonic()
            for each in done:
                each.result()
            return WRITERS * times / (time.monotonic() - started)

        yield together
        closers = [pool.submit(_close, gate) for _ in range(WRITERS)]
        gate.wait()
        for each in closers:
            each.result()


def _close(gate: threading.Barrier) -> None:
    gate.wait()
    connections.close_all()


def _test_database() -> str:
    name = connection.settings_dict["NAME"]
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


@pytest.mark.timeout(900)
@pytest.mark.django_db(transaction=True)
def test_twenty_writers_of_one_tenant_are_not_slowed_by_the_chain() -> None:
    tenant = make_tenant()
    owner = owner_of(tenant)

    def plain() -> None:
        with tenant_scope(tenant.pk):
            audit.record(owner, "run.submitted", tenant, name="sentiment", recipe="balanced")

    def chained() -> None:
        with tenant_scope(tenant.pk):
            with connection.cursor() as cursor:
                cursor.execute("select pg_advisory_xact_lock(1)")
            audit.record(owner, "run.submitted", tenant, name="sentiment", recipe="balanced")

    rates: dict[str, list[float]] = {"off": [], "sealing": [], "chained": []}
    said = Rounds("sealing", ROUNDS)
    with Worker(_test_database()) as sealer, _writers() as together:
        together(plain, ACTS["off"])
        sealer.do("drain")
        for done in range(1, ROUNDS + 1):
            for way in list(rates) if done % 2 else list(reversed(rates)):
                if way == "sealing":
                    sealer.start("seal")
                rates[way].append(together(chained if way == "chained" else plain, ACTS[way]))
                if way == "sealing":
                    sealer.start("stop")
                    sealer.end()
                sealer.do("drain")
            said.at(done, f"{rates['off'][-1] / rates['sealing'][-1]:.2f} x with the sealer")
    with tenant_scope(tenant.pk):
        assert Seal.objects.count() == AuditEvent.objects.count()
    ratios = {
        way: [plainly / own for plainly, own in zip(rates["off"], rates[way], strict=True)]
        for way in rates
    }
    print(f"\n{machine()}")
    table(
        f"{WRITERS} writers of one tenant, {ROUNDS} rounds",
        ("way", "acts/s", "ratio of time"),
        [
            (name, spread(rates[way], 0), spread(ratios[way]))
            for way, name in (
                ("off", "nothing seals"),
                ("sealing", "the sealer runs every half second"),
                ("chained", "for comparison: a lock a tenant in the transaction"),
            )
        ],
    )
    assert statistics.median(ratios["sealing"]) < 1.2


# --- (b) many tenants -------------------------------------------------------------------------


@pytest.mark.timeout(1800)
def test_ten_thousand_tenants_cost_no_more_to_migrate_than_ten() -> None:
    sizes = {FEW: "few", MANY: "many"}
    times: dict[tuple[str, int], list[float]] = {}
    said = Rounds("migrate", ROUNDS)
    with ExitStack() as cleaning:
        workers = {}
        for size, name in sizes.items():
            env = stack().create_database(f"modelyard_bench_{name}")
            workers[size] = cleaning.enter_context(Worker(env["OWNER_DATABASE_URL"]))
            workers[size].do("migrate")
            crowd.fill(env["OPS_DATABASE_URL"], size)
            crowd.settle(env["OWNER_DATABASE_URL"])
        for done in range(1, ROUNDS + 1):
            for size in sizes if done % 2 else list(reversed(sizes)):
                for what in ("migrate", "alter"):
                    times.setdefault((what, size), []).append(workers[size].do(what))
                workers[size].do("unalter")
            said.at(done, f"{times['alter', MANY][-1]:.2f} s for {MANY} tenants")
    rows, medians = [], {}
    for what, name in (("migrate", "`migrate`, nothing to do"), ("alter", "a next release")):
        few, many = times[what, FEW], times[what, MANY]
        ratios = [one / other for one, other in zip(many, few, strict=True)]
        medians[what] = statistics.median(ratios)
        rows.append((name, spread(few), spread(many), spread(ratios)))
    print(f"\n{machine()}")
    table(
        f"Migrations, {ROUNDS} rounds, {crowd.ROWS} rows a large table in both",
        ("what", f"{FEW} tenants, s", f"{MANY} tenants, s", "ratio"),
        rows,
    )
    assert max(medians.values()) < 1.2


@pytest.mark.timeout(1800)
def test_a_sign_up_among_ten_thousand_tenants_takes_less_than_a_second() -> None:
    times: dict[int, list[float]] = {0: [], MANY: []}
    with running("crowd") as site:
        sign_up(site, "first@example.com")
        for size, own in times.items():
            if size:
                crowd.fill(site.place.env["OPS_DATABASE_URL"], size)
                crowd.settle(site.place.env["OWNER_DATABASE_URL"])
            for n in range(SIGN_UPS):
                started = time.monotonic()
                sign_up(site, f"person{n}-of-{size}@example.com")
                own.append(time.monotonic() - started)
        sealed = _sealed_after(site.place.env["OPS_DATABASE_URL"])
    print(f"\n{machine()}")
    table(
        f"Sign-up over HTTP, from the form to the first page, {SIGN_UPS} people",
        ("tenants", "seconds"),
        [(f"{size or 'a few'}", spread(own)) for size, own in times.items()],
    )
    print(f"The last of them was sealed {sealed:.1f} s later by the scheduler.")
    assert sealed < 10
    assert statistics.median(times[MANY]) < 1


def _sealed_after(ops_url: str) -> float:
    """Wait until nothing is unsealed; return the seconds."""
    started = time.monotonic()
    with closing(psycopg2.connect(ops_url)) as database, database.cursor() as cursor:
        database.autocommit = True
        cursor.execute("set role modelyard_ops")
        while time.monotonic() - started < 60:
            cursor.execute(
                "select count(*) from tenants_auditevent e"
                " where not exists (select from trail_seal s where s.id = e.id)"
            )
            if cursor.fetchone() == (0,):
                break
            time.sleep(0.2)
    return time.monotonic() - started
