"""Limits of the API: exact among processes, told in headers, safe when they can't be checked."""

from __future__ import annotations

import multiprocessing
import os
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Barrier
from typing import Any

import httpx2
import pytest
from django.db import connection
from django.test import Client

from billing import plans
from modelyard.core import valkey
from tenants import keys, services
from tenants.limits import allowance, limiter
from tenants.limits.allowance import Allowance, Allowances
from tenants.models import ApiKey, Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import bearer, make_key, make_tenant, make_user, owner_of, signed_in
from tests.factories_objects import make_everything
from tests.webserver import web_process

pytestmark = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True)
AN_HOUR = Allowance(rate=50 / 3600, burst=50)
"""50 an hour: refilled by one in 72 s, so that a slow test run gets no more."""
NO_LIMIT = Allowance()
NOBODY_LISTENS = "redis://127.0.0.1:1/0"


@pytest.fixture
def allow(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give every tenant these limits, as billing would."""
    settings.API_LIMITS_FACTOR = 1.0
    allowance._Known.kept.clear()
    limiter._Health.quiet_until = 0.0

    def give(tenant: Allowance = NO_LIMIT, each: Allowance = NO_LIMIT) -> None:
        monkeypatch.setattr(
            allowance._Known, "source", staticmethod(lambda _id: Allowances(tenant, each))
        )

    yield give
    allowance._Known.kept.clear()
    limiter._Health.quiet_until = 0.0


def whoami(key: str) -> Any:
    return Client().get("/api/v1/workspace", **bearer(key))


# --- Exactly --------------------------------------------------------------------------------


def _ask(start: Barrier, tenant_id: uuid.UUID, times: int, passed: Any) -> None:
    start.wait()
    for _ in range(times):
        one = limiter.admit(
            tenant_id=tenant_id, actor="key:1", allowed=Allowances(AN_HOUR), slot=uuid.uuid4().hex
        )
        with passed.get_lock():
            passed.value += one.verdict == "ok"


def test_of_320_requests_by_16_processes_exactly_50_pass() -> None:
    fork = multiprocessing.get_context("fork")
    start, passed = fork.Barrier(16), fork.Value("i", 0)
    tenant_id, other = uuid.uuid4(), uuid.uuid4()
    work = [fork.Process(target=_ask, args=(start, tenant_id, 20, passed)) for _ in range(16)]
    for one in work:
        one.start()
    for one in work:
        one.join(30)
    assert [one.exitcode for one in work] == [0] * 16
    assert passed.value == 50
    free = limiter.admit(
        tenant_id=other, actor="key:1", allowed=Allowances(AN_HOUR), slot="another tenant"
    )
    assert free.verdict == "ok"


@committed
def test_of_many_requests_at_once_over_http_exactly_50_pass(allow: Any) -> None:
    allow(tenant=AN_HOUR)
    tenant = make_tenant()
    texts = [make_key(tenant) for _ in range(4)]

    def ask(number: int) -> int:
        try:
            return whoami(texts[number % 4]).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(ask, range(80)))
    assert (statuses.count(200), statuses.count(429)) == (50, 30)


@committed
def test_of_320_requests_at_a_real_web_process_exactly_50_pass_whatever_address_they_claim() -> (
    None
):
    tenant = make_tenant()
    keys_of_it = [make_key(tenant) for _ in range(4)]

    def ask(number: int) -> list[httpx2.Response]:
        # A client that claims to be somebody else each time is still of the same workspace.
        with httpx2.Client(base_url=web.url, headers=bearers[number % 4], timeout=60) as client:
            return [
                client.get("/api/v1/workspace", headers={"X-Forwarded-For": f"10.0.{number}.{n}"})
                for n in range(20)
            ]

    bearers = [{"X-Api-Key": text} for text in keys_of_it]
    with web_process("tests.fakes.fifty_an_hour:application", API_LIMITS_FACTOR="1") as web:
        with ThreadPoolExecutor(16) as pool:
            answers = [answer for each_of in pool.map(ask, range(16)) for answer in each_of]
        other = {"X-Api-Key": make_key(make_tenant())}
        theirs = httpx2.get(f"{web.url}/api/v1/workspace", headers=other)
        spoofed = {"X-Api-Key": key_from_nowhere(tenant), "X-Forwarded-For": "203.0.113.9"}
        refused = httpx2.get(f"{web.url}/api/v1/workspace", headers=spoofed)
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(200), statuses.count(429)) == (50, 270)
    codes = {answer.json()["code"] for answer in answers if answer.status_code == 429}
    assert codes == {"rate_limited"}
    assert all(answer.headers["X-RateLimit-Limit"] == "50" for answer in answers)
    assert theirs.status_code == 200, "another tenant is not touched"
    assert (refused.status_code, refused.json()["code"]) == (403, "address_refused")


def key_from_nowhere(tenant: Tenant) -> str:
    """A key that works from an address nobody here has."""
    with tenant_scope(tenant.pk):
        _key, text = services.key_create(
            actor=owner_of(tenant), name="x", scopes=["read"], networks=["203.0.113.9"]
        )
    return text


def test_a_key_has_its_share_and_leaves_the_rest_to_others(allow: Any) -> None:
    allow(tenant=Allowance(rate=0.01, burst=5), each=Allowance(rate=0.01, burst=3))
    tenant = make_tenant()
    first, second = make_key(tenant), make_key(tenant)
    assert [whoami(first).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert [whoami(second).status_code for _ in range(3)] == [200, 200, 429]
    member = signed_in(tenant.memberships.get().user)
    assert member.get(f"/t/{tenant.slug}/api/v1/workspace").status_code == 429
    assert member.get(f"/t/{tenant.slug}/keys/").status_code == 200, "a page is not counted"
    assert whoami(make_key(make_tenant())).status_code == 200, "another tenant is not touched"


def test_headers_say_what_is_left_and_when_to_come_back(allow: Any) -> None:
    allow(tenant=Allowance(rate=1 / 60, burst=3))
    key = make_key(make_tenant())
    seen = []
    for _ in range(4):
        answer = whoami(key)
        names = ("Limit", "Remaining", "Reset")
        seen.append([int(answer.headers[f"X-RateLimit-{name}"]) for name in names])
    assert [row[:2] for row in seen] == [[3, 2], [3, 1], [3, 0], [3, 0]]
    assert 170 <= seen[3][2] <= 180
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert 50 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.json()["retry_after"] == int(answer.headers["Retry-After"])


def test_a_refusal_of_the_view_carries_the_headers_too(allow: Any) -> None:
    allow(tenant=Allowance(rate=1, burst=10))
    answer = Client().get(f"/api/v1/datasets/{uuid.uuid4()}", **bearer(make_key(make_tenant())))
    assert (answer.status_code, answer.headers["X-RateLimit-Remaining"]) == (404, "9")


def test_the_limit_fills_up_again(allow: Any) -> None:
    allow(tenant=Allowance(rate=20, burst=2))
    key = make_key(make_tenant())
    assert [whoami(key).status_code for _ in range(2)] == [200, 200]
    time.sleep(0.11)
    assert whoami(key).headers["X-RateLimit-Remaining"] == "1"


# --- Work at once ---------------------------------------------------------------------------


def _admit(tenant_id: uuid.UUID, allowed: Allowances, slot: str, actor: str = "key:1") -> str:
    return limiter.admit(tenant_id=tenant_id, actor=actor, allowed=allowed, slot=slot).verdict


def test_no_more_than_so_many_requests_are_under_way_at_once() -> None:
    allowed, tenant = Allowances(Allowance(at_once=3), Allowance(at_once=2)), uuid.uuid4()
    assert [_admit(tenant, allowed, f"s{n}") for n in range(3)] == ["ok", "ok", "busy"]
    assert [_admit(tenant, allowed, f"o{n}", "key:2") for n in range(2)] == ["ok", "busy"]
    limiter.release(tenant_id=tenant, actor="key:1", slot="s0")
    assert _admit(tenant, allowed, "o2", "key:2") == "ok"
    assert _admit(tenant, allowed, "s3") == "busy", "the workspace's three are taken"


def test_a_worker_that_dies_gives_its_slot_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter, "SLOT_SECONDS", 0.4)
    allowed, tenant = Allowances(Allowance(at_once=1)), uuid.uuid4()

    def die() -> None:
        _admit(tenant, allowed, "mine")
        os._exit(9)

    process = multiprocessing.get_context("fork").Process(target=die)
    process.start()
    process.join(10)
    assert process.exitcode == 9
    assert _admit(tenant, allowed, "next") == "busy"
    time.sleep(0.45)
    assert _admit(tenant, allowed, "next") == "ok"


def test_a_request_gives_its_slot_back_however_it_ends(allow: Any) -> None:
    allow(each=Allowance(at_once=1))
    tenant = make_tenant()
    key = make_key(tenant)
    for path in ("workspace", f"datasets/{uuid.uuid4()}", "workspace"):
        assert Client().get(f"/api/v1/{path}", **bearer(key)).status_code != 429
    row = ApiKey.objects.get(tenant=tenant)
    held = f"t:{tenant.pk}:api:slots:key:{row.pk}"
    valkey.cache().zadd(held, {"somebody": 9e15})
    answer = whoami(key)
    assert (answer.status_code, answer.json()["code"]) == (429, "busy")
    assert answer.headers["Retry-After"] == "1"


# --- The plan's numbers ---------------------------------------------------------------------


def test_the_plan_says_how_much_and_a_larger_plan_more(settings: Any) -> None:
    settings.API_LIMITS_FACTOR = 1.0
    allowance._Known.kept.clear()
    tenant = make_tenant()
    answer = whoami(make_key(tenant))
    assert answer.headers["X-RateLimit-Limit"] == str(plans.FREE.api.each.burst)
    settings.API_LIMITS_FACTOR = 0.5
    answer = whoami(make_key(tenant))
    assert answer.headers["X-RateLimit-Limit"] == str(plans.FREE.api.each.burst // 2)
    settings.BILLING = "off"
    allowance.forget(tenant.pk)
    assert "X-RateLimit-Limit" not in whoami(make_key(tenant)).headers, "self-hosted: no limit"
    assert plans.TEAM.api.tenant.burst > plans.FREE.api.tenant.burst
    for plan in plans.OFFERED:
        assert plan.api.each.rate <= plan.api.tenant.rate
        assert plan.api.each.at_once <= plan.api.tenant.at_once


# --- When the limits can't be checked -------------------------------------------------------


@pytest.fixture
def limiter_down(settings: Any, allow: Any) -> None:
    """No Valkey where the limits and allauth's own counters are kept."""
    allow(tenant=Allowance(rate=10, burst=100, at_once=10))
    settings.CACHE_URL = NOBODY_LISTENS
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": NOBODY_LISTENS}}


def run_body(tenant: Tenant) -> dict[str, object]:
    return {"version_id": str(make_everything(tenant)["version_id"]), "recipe": "quick"}


def test_reads_and_ordinary_writes_go_on_while_the_limiter_is_down(limiter_down: None) -> None:
    tenant = make_tenant()
    key = make_key(tenant)
    began = time.monotonic()
    for path in ("workspace", "datasets", "runs", "models", "deployments"):
        assert Client().get(f"/api/v1/{path}", **bearer(key)).status_code == 200
    made = Client().post(
        "/api/v1/datasets", {"name": "x"}, content_type="application/json", **bearer(key)
    )
    assert made.status_code == 201
    assert time.monotonic() - began < 5


def test_paid_work_is_refused_while_the_limiter_is_down(limiter_down: None, settings: Any) -> None:
    tenant = make_tenant()
    body, key = run_body(tenant), make_key(tenant)
    answer = Client().post("/api/v1/runs", body, content_type="application/json", **bearer(key))
    assert (answer.status_code, answer.json()["code"]) == (503, "limiter_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    owner = signed_in(tenant.memberships.get(role="owner").user)
    assert owner.post(f"/t/{tenant.slug}/runs/new", body).status_code == 503


def test_signing_in_is_refused_while_the_limiter_is_down(limiter_down: None) -> None:
    user = make_user(password="a long enough password")
    form = {"login": user.email, "password": "a long enough password"}
    answer = Client().post("/accounts/login/", form)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1


def test_the_id_of_a_key_is_what_is_noted_and_never_the_key() -> None:
    key = make_key(make_tenant())
    whoami(key)
    client = valkey.cache()
    everything = [str(name) for name in client.scan_iter("*")]
    members = [str(name) for name in client.zrange(limiter.USED_KEYS, 0, -1)]
    assert members == [str(ApiKey.objects.get(public_id=keys.public_id_of(key)).pk)]
    assert not any(key in name or keys.digest(key) in name for name in everything)
