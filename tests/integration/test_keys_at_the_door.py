"""API keys at the door of predictions, which reads no row: the copy in Valkey must be as strict."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from billing import plans
from modelyard.core import valkey
from tenants import keys, services, tasks
from tenants.models import ApiKey, Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import bearer, make_tenant, owner_of, signed_in
from tests.factories_serving import deploy, make_version, serving_child
from tests.serving_shard import wait_for
from training.serving import door
from training.serving.runtime import names

pytestmark = pytest.mark.django_db(transaction=True)
HOME, AWAY = "203.0.113.9", "2001:db8::9"


@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    with serving_child():
        yield
    # Its reader would outlive the test's Valkey.
    if door._Process.mux is not None:
        door._Process.mux.close()
        door._Process.mux = None


@pytest.fixture
def live(server: None, tmp_path: Path) -> Tenant:
    """A tenant whose deployment `reviews` answers."""
    wait_for(lambda: valkey.serving().zcard(names.alive(settings.SERVING_SHARD)) == 1)
    tenant = make_tenant()
    deploy(tenant, make_version(tenant, tmp_path))
    return tenant


def new_key(tenant: Tenant, **more: Any) -> tuple[ApiKey, str]:
    with tenant_scope(tenant.pk):
        return services.key_create(
            actor=owner_of(tenant), name="x", scopes=["read", "predict"], **more
        )


def ask(text: str, address: str = HOME) -> Any:
    return Client().post(
        "/api/v1/deployments/reviews/predict",
        {"inputs": "good"},
        content_type="application/json",
        REMOTE_ADDR=address,
        **bearer(text),
    )


def test_a_revoked_key_is_refused_on_its_next_request_at_both_doors(live: Tenant) -> None:
    key, text = new_key(live)
    assert ask(text).status_code == 200
    owner = signed_in(live.memberships.get().user)
    began = time.monotonic()
    assert owner.post(f"/t/{live.slug}/keys/{key.pk}/revoke").status_code == 302
    refused = ask(text)
    assert (refused.status_code, refused.json()["code"]) == (401, "key_invalid")
    assert Client().get("/api/v1/workspace", **bearer(text)).status_code == 401
    assert time.monotonic() - began < 5


def test_a_key_works_from_its_addresses_only_and_a_change_acts_at_once(live: Tenant) -> None:
    key, text = new_key(live, networks=["203.0.113.0/24"])
    assert [ask(text, address).status_code for address in (HOME, AWAY, "")] == [200, 403, 403]
    assert ask(text, AWAY).json()["code"] == "address_refused"
    with tenant_scope(live.pk):
        services.key_update(actor=owner_of(live), key_id=key.pk, networks=["2001:db8::/32"])
    assert [ask(text, address).status_code for address in (HOME, AWAY)] == [403, 200]
    with tenant_scope(live.pk):
        services.key_update(actor=owner_of(live), key_id=key.pk, networks=["0.0.0.0/0", "::/0"])
    assert [ask(text, address).status_code for address in (HOME, AWAY)] == [200, 200]


def test_a_rotated_key_ends_at_its_time_and_not_before(live: Tenant) -> None:
    key, old = new_key(live)
    assert ask(old).status_code == 200
    with tenant_scope(live.pk):
        _new, text = services.key_rotate(
            actor=owner_of(live), key_id=key.pk, overlap=dt.timedelta(seconds=2)
        )
    assert [ask(one).status_code for one in (old, text)] == [200, 200]
    wait_for(lambda: ask(old).status_code == 401, 5)
    assert ask(text).status_code == 200


def test_every_answer_says_what_the_rate_allows_still(live: Tenant) -> None:
    _key, text = new_key(live)
    first, second = ask(text), ask(text)
    share = int(plans.FREE.burst * plans.KEY_SHARE)
    assert first.headers["X-RateLimit-Limit"] == str(share)
    left = [int(one.headers["X-RateLimit-Remaining"]) for one in (first, second)]
    assert left[0] >= left[1] >= share - 2
    unknown = Client().post(
        "/api/v1/deployments/reviews/predict",
        {"inputs": ["good"] * 2000},
        content_type="application/json",
        **bearer(text),
    )
    assert unknown.status_code == 422
    owner = signed_in(live.memberships.get().user)
    url = f"/t/{live.slug}/api/v1/deployments/reviews/predict"
    member = owner.post(url, {"inputs": "good"}, content_type="application/json")
    assert member.status_code == 200
    assert "X-RateLimit-Remaining" in member.headers


def test_a_key_that_runs_away_leaves_room_for_the_others(live: Tenant) -> None:
    _key, wild = new_key(live)
    _key, calm = new_key(live)
    bucket = f"t:{live.pk}:gcra:{ApiKey.objects.get(public_id=keys.public_id_of(wild)).pk}"
    assert ask(wild).status_code == 200
    valkey.serving().set(bucket, str(time.time() * 1000 + 3_600_000), px=60_000)
    refused = ask(wild)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert int(refused.headers["Retry-After"]) > 1
    assert ask(calm).status_code == 200


def test_a_prediction_notes_that_its_key_was_used(live: Tenant) -> None:
    key, text = new_key(live)
    assert ask(text).status_code == 200
    tasks.key_use_write()
    key.refresh_from_db()
    assert key.last_used_at is not None
