"""API keys: their shape, their storage, their reach, their end."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client

from modelyard.core import clock
from tenants import keys
from tenants.models import ApiKey
from tests.factories import bearer, make_key, make_tenant, signed_in

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_key_has_160_random_bits_a_checksum_and_is_found_by_the_published_pattern() -> None:
    made = {keys.generate().text for _ in range(500)}
    assert len(made) == 500
    for text in made:
        assert keys.PATTERN.fullmatch(text)
        assert keys.public_id_of(text) == text[4:12]
        swapped = text[:-1] + ("A" if text[-1] != "A" else "B")
        assert keys.public_id_of(swapped) is None


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


def test_a_key_shows_when_it_was_last_used() -> None:
    tenant = make_tenant()
    text = make_key(tenant)
    assert ApiKey.objects.get(tenant=tenant).last_used_at is None
    before = clock.now()
    Client().get("/api/v1/workspace", **bearer(text))
    used = ApiKey.objects.get(tenant=tenant).last_used_at
    assert used is not None
    assert used >= before
    Client().get("/api/v1/workspace", **bearer(text))
    assert ApiKey.objects.get(tenant=tenant).last_used_at == used, "noted once a minute"


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


def test_the_same_idempotency_key_makes_one_key_and_answers_the_same() -> None:
    tenant = make_tenant()
    client = signed_in(tenant.memberships.get().user)
    url = f"/t/{tenant.slug}/api/v1/keys"

    def post(name: str) -> tuple[int, dict[str, object]]:
        answer = client.post(
            url,
            {"name": name, "scopes": ["read"]},
            content_type="application/json",
            headers={"Idempotency-Key": "one"},
        )
        return answer.status_code, answer.json()

    first, second, third = post("x"), post("x"), post("y")
    assert first == second
    assert first[0] == 201
    assert (third[0], third[1]["code"]) == (422, "idempotency_mismatch")
    assert ApiKey.objects.filter(tenant=tenant).count() == 1


@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff", b'{"n": "a\\u0000b"}', b'{"n": "\\ud800"}', b"[" * 40 + b"]" * 40, b"NaN"],
)
def test_a_body_that_is_not_clean_json_gets_400_and_never_500(body: bytes) -> None:
    tenant = make_tenant()
    client = signed_in(tenant.memberships.get().user)
    answer = client.post(f"/t/{tenant.slug}/api/v1/keys", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
