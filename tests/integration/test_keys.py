"""API keys: their shape, their storage, their reach, their end."""

from __future__ import annotations

import datetime as dt
import itertools
import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from modelyard.core import clock, valkey
from modelyard.core.errors import Conflict
from modelyard.core.http.client_address import client_address, proxies
from tenants import keys, services, tasks
from tenants.access import ROLE_PERMISSIONS, Actor
from tenants.limits.limiter import USED_KEYS
from tenants.models import ApiKey, Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import add_member, bearer, make_key, make_tenant, owner_of, signed_in
from training.serving.runtime import names

pytestmark = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True)
"""For tests of tasks, and in which several act at once."""
ROOT = Path(__file__).resolve().parents[2]


def published_rule() -> re.Pattern[str]:
    """The regular expression of docs/keys.md, as a scanner's owner would copy it."""
    (rule,) = re.findall(r"^\\bmdy_.*$", (ROOT / "docs/keys.md").read_text(), re.MULTILINE)
    return re.compile(rule)


def near_misses(chance: random.Random) -> Iterator[str]:
    """Keys with one thing wrong."""
    while True:
        text = keys.generate().text
        place = chance.choice([*range(4, 12), *range(13, 46)])
        other = chance.choice(keys.ALPHABET.replace(text[place], ""))
        yield text[:place] + other + text[place + 1 :]
        yield text[:-1]
        yield text + "0"
        yield text.replace("mdy_", chance.choice(["mdx_", "mdy-", "MDY_", "xmdy_"]), 1)
        yield text[:12] + "-" + text[13:]
        yield text[:place] + chance.choice("-.!/ é") + text[place + 1 :]


def test_the_published_rule_finds_every_key_and_nothing_that_only_looks_like_one() -> None:
    rule, chance = published_rule(), random.Random(0)
    made = [keys.generate().text for _ in range(10_000)]
    assert len(set(made)) == 10_000
    around = ["{}", "key={};", 'K="{}"', "https://x.test/?k={}&a=1", "({})", "\n{}\n", "密钥{}。"]
    for number, text in enumerate(made):
        inside = around[number % len(around)].format(text)
        if "密钥" not in inside:  # \b sees Chinese characters as part of a word
            assert rule.findall(inside) == [text]
            assert keys.found_in(inside) == [text]
        assert keys.public_id_of(text) == text[4:12]
    misses = list(itertools.islice(near_misses(chance), 10_000))
    assert [text for text in misses if keys.found_in(f"a {text} b")] == []


def test_only_the_keyed_hash_is_stored_and_the_key_is_shown_once() -> None:
    tenant = make_tenant()
    text = make_key(tenant)
    row = ApiKey.objects.get(tenant=tenant)
    assert text not in str(row.__dict__)
    assert row.digest == keys.digest(text)
    listed = Client().get("/api/v1/workspace", **bearer(text))
    assert listed.json()["slug"] == tenant.slug
    page = signed_in(tenant.memberships.get().user).get(f"/t/{tenant.slug}/keys/")
    assert text not in page.content.decode()


def test_a_page_makes_a_key_and_shows_it_this_once() -> None:
    tenant = make_tenant()
    owner = signed_in(tenant.memberships.get().user)
    answer = owner.post(f"/t/{tenant.slug}/keys/", {"name": "ci", "scopes": ["read"]})
    assert answer.status_code == 200
    assert keys.PATTERN.search(answer.content.decode())


@pytest.mark.parametrize("broken", ["", "mdy_short", "mdy_" + "0" * 8 + "_" + "0" * 33])
def test_no_key_or_a_wrong_one_gets_401_with_a_sentence(broken: str) -> None:
    answer = Client().get("/api/v1/workspace", **(bearer(broken) if broken else {}))
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


def test_a_revoked_and_an_expired_key_are_refused_on_the_next_request() -> None:
    tenant = make_tenant()
    text = make_key(tenant)
    row = ApiKey.objects.get(tenant=tenant)
    owner = signed_in(tenant.memberships.get().user)
    assert owner.post(f"/t/{tenant.slug}/keys/{row.pk}/revoke").status_code == 302
    assert Client().get("/api/v1/workspace", **bearer(text)).json()["code"] == "key_invalid"
    ApiKey.objects.filter(pk=row.pk).update(
        revoked_at=None, expires_at=clock.now() - dt.timedelta(seconds=1)
    )
    assert Client().get("/api/v1/workspace", **bearer(text)).status_code == 401


@committed
def test_when_a_key_was_last_used_is_noted_by_the_request_and_written_in_one_go() -> None:
    tenant = make_tenant()
    texts = [make_key(tenant) for _ in range(3)]
    before = clock.now().replace(microsecond=0)
    for text in texts[:2]:
        for _ in range(3):
            assert Client().get("/api/v1/workspace", **bearer(text)).status_code == 200
    assert ApiKey.objects.filter(tenant=tenant, last_used_at=None).count() == 3, "no row a request"
    tasks.key_use_write()
    used = [keys.public_id_of(text) for text in texts[:2]]
    rows = ApiKey.objects.filter(tenant=tenant, last_used_at__gte=before)
    assert sorted(rows.values_list("public_id", flat=True)) == sorted(used)
    first = ApiKey.objects.get(public_id=used[0]).last_used_at
    assert services.key_use_write() == 0
    Client().get("/api/v1/workspace", **bearer(texts[0]))
    tasks.key_use_write()
    assert ApiKey.objects.get(public_id=used[0]).last_used_at > first


def test_a_flush_that_died_half_way_is_repeated() -> None:
    tenant = make_tenant()
    key = ApiKey.objects.get(public_id=keys.public_id_of(make_key(tenant)))
    valkey.cache().zadd(f"{USED_KEYS}:aside", {str(key.pk): 1_700_000_000_000})
    assert services.key_use_write() == 1
    key.refresh_from_db()
    assert key.last_used_at.timestamp() == 1_700_000_000


# --- Expiry, addresses, rotation ----------------------------------------------------------


def post(client: Client, url: str, body: object) -> tuple[int, dict[str, Any]]:
    answer = client.post(url, body, content_type="application/json")
    return answer.status_code, answer.json()


def test_a_key_ends_after_90_days_unless_its_maker_chooses() -> None:
    tenant = make_tenant()
    client = signed_in(tenant.memberships.get().user)
    url = f"/t/{tenant.slug}/api/v1/keys"
    _status, default = post(client, url, {"name": "a", "scopes": ["read"]})
    days = (dt.datetime.fromisoformat(default["expires_at"]) - clock.now()).days
    assert days in {89, 90}
    _status, never = post(client, url, {"name": "b", "scopes": ["read"], "expires_at": None})
    assert never["expires_at"] is None
    client.post(f"/t/{tenant.slug}/keys/", {"name": "c", "scopes": ["read"]})
    client.post(f"/t/{tenant.slug}/keys/", {"name": "d", "scopes": ["read"], "days": "never"})
    by_name = dict(ApiKey.objects.filter(tenant=tenant).values_list("name", "expires_at"))
    assert (by_name["c"] - clock.now()).days in {89, 90}
    assert by_name["d"] is None


ADDRESSES = [
    ([], "203.0.113.9", 200),
    (["203.0.113.0/24"], "203.0.113.9", 200),
    (["203.0.113.0/24"], "203.0.114.9", 403),
    (["203.0.113.9"], "203.0.113.8", 403),
    (["2001:db8::/32"], "2001:db8:1::7", 200),
    (["2001:db8::/32"], "2001:db9::7", 403),
    (["10.0.0.0/8", "2001:db8::/32"], "::ffff:10.1.2.3", 200),
    (["0.0.0.0/0"], "2001:db8::1", 403),
    (["::/0"], "203.0.113.9", 200),
    (["203.0.113.0/24"], "", 403),
]
PEERS = [
    ("203.0.113.9", "", "203.0.113.9"),
    ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # nobody's proxy: not believed
    ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
    ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),  # the left is the client's own word
    ("10.0.0.1", "198.51.100.1, 10.0.0.7", "198.51.100.1"),  # two proxies of ours
    ("10.0.0.1", "", "10.0.0.1"),
    ("10.0.0.1", "nonsense", ""),
    ("::ffff:10.0.0.1", "2001:db8::5", "2001:db8::5"),
    ("", "198.51.100.1", ""),
]


def key_from(tenant: Tenant, networks: list[str]) -> str:
    with tenant_scope(tenant.pk):
        _key, text = services.key_create(
            actor=owner_of(tenant), name="x", scopes=["read"], networks=networks
        )
    return text


def test_a_key_works_from_its_addresses_only() -> None:
    tenant = make_tenant()
    for networks, address, status in ADDRESSES:
        text = key_from(tenant, networks)
        answer = Client().get("/api/v1/workspace", **bearer(text), REMOTE_ADDR=address)
        assert answer.status_code == status, (networks, address)
        if status == 403:
            assert answer.json()["code"] == "address_refused"


def test_only_our_proxies_say_whose_request_it_is(settings: Any) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    text = key_from(make_tenant(), ["198.51.100.1"])
    for peer, forwarded, client in PEERS:
        assert client_address(peer, forwarded, proxies()) == client
        more = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded}
        answer = Client().get("/api/v1/workspace", **bearer(text), **more)
        assert answer.status_code == (200 if client == "198.51.100.1" else 403)


def test_an_address_that_is_none_is_refused_with_a_sentence_on_page_and_api() -> None:
    tenant = make_tenant()
    client = signed_in(tenant.memberships.get().user)
    body = {"name": "x", "scopes": ["read"], "addresses": ["300.1.1.1"]}
    status, answer = post(client, f"/t/{tenant.slug}/api/v1/keys", body)
    assert (status, answer["code"]) == (422, "address_invalid")
    page = client.post(f"/t/{tenant.slug}/keys/", {**body, "addresses": "10.0.0.0/8\nfe80::%1"})
    assert page.status_code == 422
    assert "fe80::%1" in page.content.decode()
    assert ApiKey.objects.filter(tenant=tenant).count() == 0


def test_a_rotated_key_works_beside_its_follower_until_its_time_and_no_third_is_made() -> None:
    tenant = make_tenant()
    old = make_key(tenant, ["read"])
    row = ApiKey.objects.get(tenant=tenant)
    client = signed_in(tenant.memberships.get().user)
    url = f"/t/{tenant.slug}/api/v1/keys/{row.pk}/rotate"
    status, made = post(client, url, {"overlap_seconds": 600})
    assert status == 201
    assert (made["name"], made["scopes"]) == (row.name, row.scopes)
    for text in (old, made["key"]):
        assert Client().get("/api/v1/workspace", **bearer(text)).status_code == 200
    assert post(client, url, {})[1]["code"] == "rotation_running"
    follower = f"/t/{tenant.slug}/api/v1/keys/{made['id']}/rotate"
    assert post(client, follower, {})[1]["code"] == "rotation_running"
    row.refresh_from_db()
    assert dt.timedelta(minutes=9) < row.expires_at - clock.now() <= dt.timedelta(minutes=10)
    ApiKey.objects.filter(pk=row.pk).update(expires_at=clock.now())
    assert Client().get("/api/v1/workspace", **bearer(old)).status_code == 401
    status, third = post(client, follower, {"overlap_seconds": 0})
    assert status == 201
    assert Client().get("/api/v1/workspace", **bearer(made["key"])).status_code == 401
    assert Client().get("/api/v1/workspace", **bearer(third["key"])).status_code == 200
    assert post(client, follower, {})[1]["code"] == "key_ended"


@committed
def test_of_ten_rotations_at_once_one_makes_a_key() -> None:
    tenant = make_tenant()
    make_key(tenant)
    row = ApiKey.objects.get(tenant=tenant)

    def rotate(_number: int) -> str:
        try:
            with tenant_scope(tenant.pk):
                services.key_rotate(actor=owner_of(tenant), key_id=row.pk)
        except Conflict as refusal:
            return refusal.code
        else:
            return "made"
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        outcomes = sorted(pool.map(rotate, range(10)))
    assert outcomes == ["made", *["rotation_running"] * 9]
    assert ApiKey.objects.filter(tenant=tenant).count() == 2


def test_name_and_addresses_of_a_key_are_changed_on_its_page() -> None:
    tenant = make_tenant()
    text = make_key(tenant)
    row = ApiKey.objects.get(tenant=tenant)
    client = signed_in(tenant.memberships.get().user)
    url = f"/t/{tenant.slug}/keys/{row.pk}/"
    assert row.name in client.get(url).content.decode()
    saved = client.post(url, {"name": "ci", "addresses": "192.0.2.0/24, 2001:db8::/32"})
    assert saved.status_code == 302
    row.refresh_from_db()
    assert (row.name, row.addresses) == ("ci", ["192.0.2.0/24", "2001:db8::/32"])
    assert Client().get("/api/v1/workspace", **bearer(text)).json()["code"] == "address_refused"
    answer = client.patch(
        f"/t/{tenant.slug}/api/v1/keys/{row.pk}", {"addresses": []}, content_type="application/json"
    )
    assert answer.json()["addresses"] == []
    assert Client().get("/api/v1/workspace", **bearer(text)).status_code == 200


def test_a_page_rotates_a_key_and_shows_the_new_one_this_once() -> None:
    tenant = make_tenant()
    make_key(tenant)
    row = ApiKey.objects.get(tenant=tenant)
    client = signed_in(tenant.memberships.get().user)
    answer = client.post(f"/t/{tenant.slug}/keys/{row.pk}/rotate", {"overlap": "3600"})
    (shown,) = keys.found_in(answer.content.decode())
    assert "no-store" in answer.headers["Cache-Control"]
    assert Client().get("/api/v1/workspace", **bearer(shown)).status_code == 200
    both = client.get(f"/t/{tenant.slug}/keys/{row.pk}/").content.decode()
    assert keys.public_id_of(shown) in both
    assert client.get(f"/t/{tenant.slug}/keys/").content.decode().count("being replaced") == 1
    assert shown not in both


def test_a_key_survives_the_removal_of_whoever_made_it() -> None:
    tenant = make_tenant()
    maker = add_member(tenant, "admin")
    actor = Actor("user", str(maker.pk), tenant.pk, ROLE_PERMISSIONS["admin"])
    with tenant_scope(tenant.pk):
        key, text = services.key_create(actor=actor, name="x", scopes=["read"])
    maker.delete()
    assert Client().get("/api/v1/workspace", **bearer(text)).status_code == 200
    key.refresh_from_db()
    assert key.created_by is None
    owner = signed_in(tenant.memberships.get().user)
    assert owner.get(f"/t/{tenant.slug}/keys/").status_code == 200


@committed
def test_a_drop_that_was_lost_is_made_good_by_the_scheduler() -> None:
    tenant = make_tenant()
    texts = [make_key(tenant) for _ in range(3)]
    digests = [keys.digest(text) for text in texts]
    now = clock.now()
    rows = ApiKey.objects.filter(tenant=tenant)
    rows.filter(digest=digests[0]).update(revoked_at=now)
    rows.filter(digest=digests[1]).update(expires_at=now)
    for digest in digests:
        valkey.serving().hset(names.key_record(digest), "tenant", "x")
    tasks.key_copies_recheck()
    left = [bool(valkey.serving().exists(names.key_record(digest))) for digest in digests]
    assert left == [False, False, True]
    every = platform_schedule()["recheck-keys"]["schedule"]
    assert every < 5, "revoked everywhere within 5 s"


def platform_schedule() -> dict[str, Any]:
    from modelyard.celery import app

    return app.conf.beat_schedule


def test_a_key_can_not_make_keys() -> None:
    text = make_key(make_tenant())
    answer = Client().post(
        "/api/v1/keys",
        {"name": "x", "scopes": ["read"]},
        content_type="application/json",
        **bearer(text),
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_a_session_needs_the_csrf_token_for_the_api() -> None:
    tenant = make_tenant()
    client = signed_in(tenant.memberships.get().user, csrf=True)
    answer = client.post(
        f"/t/{tenant.slug}/api/v1/keys",
        {"name": "x", "scopes": ["read"]},
        content_type="application/json",
    )
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff", b'{"n": "a\\u0000b"}', b'{"n": "\\ud800"}', b"[" * 40 + b"]" * 40, b"NaN"],
)
def test_a_body_that_is_not_clean_json_gets_400_and_never_500(body: bytes) -> None:
    tenant = make_tenant()
    client = signed_in(tenant.memberships.get().user)
    answer = client.post(f"/t/{tenant.slug}/api/v1/keys", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
