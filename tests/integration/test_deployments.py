"""Deployments and predictions: through HTTP, a real Valkey, S3, and a real model server."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from billing import services as billing
from billing.models import Entry
from billing.tasks import flush_usage
from modelyard.core import storage, valkey
from modelyard.core.errors import Conflict, Forbidden, Invalid, NotFound, QuotaExceeded
from tenants import services as tenants
from tenants.access import Actor
from tenants.models import ApiKey, Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import add_member, bearer, make_key, make_tenant, owner_of, signed_in
from tests.factories_controls import override
from tests.factories_serving import deploy, make_version, serving_child
from tests.serving_shard import wait_for
from training.registry.models import ModelVersion
from training.serving import door, selectors, services, tasks
from training.serving.models import Deployment
from training.serving.runtime import names
from training.serving.runtime.child import Child

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/deployments"


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    with serving_child() as server:
        yield server
    # Its reader would outlive the test's Valkey.
    if door._Process.mux is not None:
        door._Process.mux.close()
        door._Process.mux = None


@pytest.fixture
def server(child: Child) -> Child:
    """The server, back on its streams after the cache was emptied for this test."""
    wait_for(lambda: valkey.serving().zcard(names.alive(settings.SERVING_SHARD)) == 1)
    return child


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def version(tenant: Tenant, tmp_path: Path) -> ModelVersion:
    return make_version(tenant, tmp_path)


@pytest.fixture
def live(server: Child, tenant: Tenant, version: ModelVersion) -> Tenant:
    """A tenant whose deployment `reviews` answers."""
    deploy(tenant, version)
    return tenant


def ask(key: str, body: object, name: str = "reviews", **headers: str) -> tuple[int, dict]:
    answer = Client().post(
        f"{URL}/{name}/predict",
        data=body if isinstance(body, (str, bytes)) else json.dumps(body),
        content_type="application/json",
        **bearer(key),
        **headers,
    )
    return answer.status_code, answer.json()


def lines(tenant: Tenant) -> list[Entry]:
    flush_usage.delay()
    with tenant_scope(tenant.pk):
        return list(Entry.objects.order_by("id"))


def status_of(tenant: Tenant, name: str = "reviews") -> str:
    with tenant_scope(tenant.pk):
        return selectors.deployment_get(name).status


def test_a_deployed_version_answers_and_its_answer_is_one_line_of_the_ledger(live: Tenant) -> None:
    status, body = ask(make_key(live), {"inputs": ["good one", "bad one"]})
    assert status == 200
    assert body["deployment"] == "reviews"
    assert body["usage"]["predictions"] == 2
    for prediction in body["predictions"]:
        assert prediction["label"] in {"bad", "fine", "good"}
        assert prediction["score"] == max(prediction["scores"].values())
        assert abs(sum(prediction["scores"].values()) - 1) < 1e-6
        assert prediction["truncated"] is False
    assert set(body["timings_ms"]) == {"model", "total"}
    (line,) = lines(live)
    assert (line.entry_id, line.amount) == (body["request_id"], 2)
    assert line.subject["version"] == body["model_version"]


def test_one_text_needs_no_list(live: Tenant) -> None:
    status, body = ask(make_key(live), {"inputs": "good"})
    assert (status, len(body["predictions"])) == (200, 1)


def test_a_repeat_with_the_same_key_gets_the_same_answer_and_counts_once(live: Tenant) -> None:
    key = make_key(live)
    first = ask(key, {"inputs": "good"}, HTTP_IDEMPOTENCY_KEY="abc")
    again = ask(key, {"inputs": "good"}, HTTP_IDEMPOTENCY_KEY="abc")
    assert again[0] == 200
    assert again[1]["request_id"] == first[1]["request_id"]
    assert again[1]["predictions"] == first[1]["predictions"]
    status, body = ask(key, {"inputs": "other"}, HTTP_IDEMPOTENCY_KEY="abc")
    assert (status, body["code"]) == (422, "idempotency_mismatch")
    assert [line.amount for line in lines(live)] == [1]


def test_the_plan_s_limit_answers_402_and_writes_no_line(live: Tenant) -> None:
    override(live, predictions=3)
    key = make_key(live)
    assert ask(key, {"inputs": ["a", "b"]})[0] == 200
    status, body = ask(key, {"inputs": ["c", "d"]})
    assert (status, body["code"], body["meter"]) == (402, "quota_exceeded", "predictions")
    assert (body["limit"], body["used"]) == (3, 2)
    assert body["upgrade_url"].endswith(f"/t/{live.slug}/usage/")
    assert ask(key, {"inputs": ["c"]})[0] == 200
    assert sum(line.amount for line in lines(live)) == 3


def test_a_larger_limit_acts_on_the_next_request(live: Tenant) -> None:
    key = make_key(live)
    override(live, predictions=1)
    assert ask(key, {"inputs": "a"})[0] == 200
    assert ask(key, {"inputs": "a"})[0] == 402
    override(live, predictions=2)
    assert ask(key, {"inputs": "a"})[0] == 200


def test_the_used_part_of_the_plan_survives_the_loss_of_valkey(live: Tenant) -> None:
    override(live, predictions=2)
    key = make_key(live)
    assert ask(key, {"inputs": ["a", "b"]})[0] == 200
    lines(live)
    client = valkey.serving()
    client.delete(*client.keys(f"t:{live.pk}:*"), *client.keys("k:*"))
    status, body = ask(key, {"inputs": "c"})
    assert (status, body["used"]) == (402, 2)


def test_a_revoked_key_is_refused_by_the_next_request(live: Tenant) -> None:
    key = make_key(live)
    assert ask(key, {"inputs": "good"})[0] == 200
    with tenant_scope(live.pk):
        row = ApiKey.objects.get(tenant=live)
        tenants.key_revoke(actor=owner_of(live), key_id=row.pk)
    status, body = ask(key, {"inputs": "good"})
    assert (status, body["code"]) == (401, "key_invalid")


@pytest.mark.parametrize("key", ["", "mdy_short", "mdy_AAAAAAAA_" + "A" * 33])
def test_a_missing_or_mistyped_key_is_a_401_that_says_what_to_send(key: str) -> None:
    status, body = ask(key, {"inputs": "good"})
    assert status == 401
    assert body["detail"]


def test_a_key_without_the_scope_may_not_predict(live: Tenant) -> None:
    status, body = ask(make_key(live, ["read", "write"]), {"inputs": "good"})
    assert (status, body["code"]) == (403, "scope_missing")


def test_another_tenant_s_deployment_is_as_unknown_as_none(live: Tenant) -> None:
    key = make_key(make_tenant())
    theirs = ask(key, {"inputs": "good"})
    nobody = ask(key, {"inputs": "good"}, name="nothing-here")
    for status, body in (theirs, nobody):
        assert (status, body["code"]) == (404, "deployment_unknown")
    assert theirs[1]["detail"] == nobody[1]["detail"]
    other = bearer(key)
    assert Client().get(f"{URL}/reviews", **other).status_code == 404
    assert Client().delete(f"{URL}/reviews", **other).status_code == 404
    assert status_of(live) == "live"


def test_a_text_that_is_too_long_is_cut_and_says_so(live: Tenant) -> None:
    status, body = ask(make_key(live), {"inputs": ["word " * 100, "word"]})
    assert status == 200
    assert [one["truncated"] for one in body["predictions"]] == [True, False]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("{", 400, "malformed"),
        ("[]", 422, "inputs_invalid"),
        ({}, 422, "inputs_invalid"),
        ({"inputs": 5}, 422, "inputs_invalid"),
        ({"inputs": ["a", None]}, 422, "inputs_invalid"),
        ({"inputs": "a", "model": "x"}, 400, "unknown_field"),
        ({"inputs": []}, 422, "texts_count"),
        ({"inputs": ["a"] * 129}, 422, "texts_count"),
        ({"inputs": ["a", "  "]}, 422, "text_empty"),
        ({"inputs": "a" * 300_000}, 413, "too_large"),
        ('{"inputs": "a\\u0000b"}', 400, "malformed"),
        (b"\xff\xfe", 400, "malformed"),
    ],
)
def test_a_bad_body_gets_a_sentence_and_no_charge(
    live: Tenant, body: object, status: int, code: str
) -> None:
    found, answer = ask(make_key(live), body)
    assert (found, answer["code"]) == (status, code)
    assert len(answer["detail"]) > 10
    assert lines(live) == []


def test_a_form_is_not_json_and_gets_415(live: Tenant) -> None:
    answer = Client().post(f"{URL}/reviews/predict", {"inputs": "a"}, **bearer(make_key(live)))
    assert answer.status_code == 415


def test_without_a_model_server_the_answer_is_503_with_retry_after(
    tenant: Tenant, version: ModelVersion
) -> None:
    with tenant_scope(tenant.pk):
        row = Deployment.objects.create(
            name="reviews",
            model_id=version.model_id,
            version=version,
            status="live",
            shard="9",
            moved_at=version.created_at,
        )
    assert row.pk
    answer = Client().post(
        f"{URL}/reviews/predict",
        json.dumps({"inputs": "a"}),
        content_type="application/json",
        **bearer(make_key(tenant)),
    )
    assert (answer.status_code, answer.json()["code"]) == (503, "no_server")
    assert answer.headers["Retry-After"] == "1"


def test_a_server_that_lost_the_model_gets_it_again_and_then_answers(
    server: Child, live: Tenant, version: ModelVersion
) -> None:
    server.drop(str(version.pk))
    wait_for(lambda: str(version.pk) not in server.stats()["versions"])
    key = make_key(live)
    status, body = ask(key, {"inputs": "good"})
    assert (status, body["code"]) == (503, "not_loaded")
    wait_for(lambda: ask(key, {"inputs": "good"})[0] == 200)


def test_a_new_server_is_filled_with_all_live_deployments(
    server: Child, live: Tenant, version: ModelVersion
) -> None:
    server.drop(str(version.pk))
    wait_for(lambda: str(version.pk) not in server.stats()["versions"])
    tasks.ensure.delay(shard=settings.SERVING_SHARD)
    assert str(version.pk) in server.stats()["versions"]
    assert status_of(live) == "live"


def test_a_lost_doorbell_is_rung_again(
    server: Child, tenant: Tenant, version: ModelVersion, settings: object
) -> None:
    with tenant_scope(tenant.pk):
        Deployment.objects.create(
            name="reviews",
            model_id=version.model_id,
            version=version,
            shard="0",
            moved_at=version.created_at,
        )
    tasks.sweep.delay()
    assert status_of(tenant) == "pending"
    settings.RUN_SWEEP_AFTER_SECONDS = 0  # type: ignore[attr-defined]
    tasks.sweep.delay()
    assert status_of(tenant) == "live"


def test_a_stopped_deployment_refuses_the_next_request_and_its_name_can_be_taken_up_again(
    server: Child, live: Tenant, version: ModelVersion
) -> None:
    key = make_key(live)
    assert ask(key, {"inputs": "good"})[0] == 200
    answer = Client().delete(f"{URL}/reviews", **bearer(key))
    assert answer.status_code == 202
    assert status_of(live) == "stopped"
    status, body = ask(key, {"inputs": "good"})
    assert (status, body["code"]) == (409, "deployment_not_live")
    assert str(version.pk) not in server.stats()["versions"]
    assert Client().delete(f"{URL}/reviews", **bearer(key)).json()["status"] == "stopped"
    assert deploy(live, version).name == "reviews"
    assert ask(key, {"inputs": "good"})[0] == 200


def test_two_deployments_of_one_version_share_it_until_both_stop(
    server: Child, live: Tenant, version: ModelVersion
) -> None:
    with tenant_scope(live.pk):
        billing.account_set_plan(actor=owner_of(live), plan="team")
    deploy(live, version, "second")
    with tenant_scope(live.pk):
        services.deployment_stop(actor=owner_of(live), name="reviews")
    assert ask(make_key(live), {"inputs": "good"}, name="second")[0] == 200
    with tenant_scope(live.pk):
        services.deployment_stop(actor=owner_of(live), name="second")
    wait_for(lambda: str(version.pk) not in server.stats()["versions"])


def test_the_api_deploys_lists_and_shows(
    server: Child, tenant: Tenant, version: ModelVersion
) -> None:
    key = bearer(make_key(tenant))
    body = json.dumps({"name": "Reviews", "version_id": str(version.pk)})
    made = Client().post(
        URL, body, content_type="application/json", HTTP_IDEMPOTENCY_KEY="d1", **key
    )
    again = Client().post(
        URL, body, content_type="application/json", HTTP_IDEMPOTENCY_KEY="d1", **key
    )
    assert (made.status_code, again.json()["id"]) == (202, made.json()["id"])
    one = Client().get(f"{URL}/reviews", **key).json()
    assert (one["status"], one["version"], one["model_name"]) == ("live", 1, "reviews")
    assert one["predict_url"].endswith("/api/v1/deployments/reviews/predict")
    assert [row["name"] for row in Client().get(URL, **key).json()["data"]] == ["reviews"]


def test_the_plan_limits_how_many_are_deployed(live: Tenant, version: ModelVersion) -> None:
    with pytest.raises(QuotaExceeded) as caught:
        deploy(live, version, "second")
    assert caught.value.data["meter"] == "deployments"
    with tenant_scope(live.pk):
        assert Deployment.objects.count() == 1


def test_a_name_at_work_or_unfit_for_a_url_is_refused_with_a_sentence(
    live: Tenant, version: ModelVersion
) -> None:
    with tenant_scope(live.pk):
        billing.account_set_plan(actor=owner_of(live), plan="team")
    with pytest.raises(Conflict) as taken:
        deploy(live, version)
    assert taken.value.code == "deployment_name_taken"
    for name in ("", "two words", "-x", "x" * 64, "ümlaut", "a_b"):
        with pytest.raises(Invalid) as wrong:
            deploy(live, version, name)
        assert wrong.value.code == "deployment_name"


def test_another_tenant_s_version_can_not_be_deployed(
    tenant: Tenant, version: ModelVersion
) -> None:
    other = make_tenant()
    with pytest.raises(NotFound):
        deploy(other, version)
    with tenant_scope(other.pk):
        assert Deployment.objects.count() == 0


def test_a_viewer_may_look_and_not_deploy(tenant: Tenant, version: ModelVersion) -> None:
    viewer = Actor("user", str(uuid.uuid4()), tenant.pk, frozenset({"deployments.read"}))
    with tenant_scope(tenant.pk), pytest.raises(Forbidden):
        services.deployment_create(actor=viewer, name="x", version_id=version.pk)
    with tenant_scope(tenant.pk), pytest.raises(Forbidden):
        services.deployment_stop(actor=viewer, name="x")


def test_an_artifact_changed_in_the_store_is_never_served(
    server: Child, tenant: Tenant, version: ModelVersion
) -> None:
    storage.put_bytes(f"{version.artifact_prefix}/config.json", b'{"labels": ["other"]}')
    deploy(tenant, version)
    with tenant_scope(tenant.pk):
        row = selectors.deployment_get("reviews")
        version.refresh_from_db()
    assert (row.status, row.error_code) == ("failed", "artifact_broken")
    assert "Train it again" in row.error
    assert version.status == "broken"
    status, body = ask(make_key(tenant), {"inputs": "good"})
    assert (status, body["code"]) == (409, "deployment_not_live")
    with pytest.raises(Conflict):
        deploy(tenant, version)


def test_a_broken_copy_on_this_host_is_fetched_anew(
    server: Child, live: Tenant, version: ModelVersion
) -> None:
    server.drop(str(version.pk))
    (tasks.folder_of(version.pk) / "config.json").write_text("{}", "utf-8")
    tasks.ensure.delay(shard=settings.SERVING_SHARD)
    assert status_of(live) == "live"
    assert ask(make_key(live), {"inputs": "good"})[0] == 200


def test_a_model_that_fails_its_own_canary_is_never_served(
    server: Child, tenant: Tenant, tmp_path: Path
) -> None:
    deploy(tenant, make_version(tenant, tmp_path, shift=1.0))
    with tenant_scope(tenant.pk):
        row = selectors.deployment_get("reviews")
    assert (row.status, row.error_code) == ("failed", "canary_mismatch")


def test_the_door_asks_the_database_once_and_then_not_at_all(
    live: Tenant, django_assert_num_queries: object
) -> None:
    key = make_key(live)
    assert ask(key, {"inputs": "good"})[0] == 200
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert ask(key, {"inputs": "good"})[0] == 200


def test_the_pages_show_deployments_and_the_playground_goes_through_the_same_door(
    live: Tenant,
) -> None:
    key = make_key(live)
    client = signed_in(live.memberships.get().user)
    page = client.get(f"/t/{live.slug}/deployments/reviews/").content.decode()
    assert "/api/v1/deployments/reviews/predict" in page
    assert key not in page
    assert key[:13] in page
    answer = client.post(f"/t/{live.slug}/deployments/reviews/predict", {"text": "good"})
    assert answer.status_code == 200
    (line,) = lines(live)
    assert line.entry_id in answer.content.decode()
    listed = client.get(f"/t/{live.slug}/deployments/").content.decode()
    assert "reviews" in listed
    usage = client.get(f"/t/{live.slug}/usage/").content.decode()
    assert f'data-entry="{line.entry_id}"' in usage
    empty = client.post(f"/t/{live.slug}/deployments/reviews/predict", {"text": " "})
    assert "text_empty" in empty.content.decode()


def test_a_page_s_script_predicts_by_session_only_with_the_csrf_token(live: Tenant) -> None:
    url = f"/t/{live.slug}/api/v1/deployments/reviews/predict"
    user = live.memberships.get().user
    body = json.dumps({"inputs": "good"})
    without = signed_in(user, csrf=True).post(url, body, content_type="application/json")
    assert without.status_code == 403
    granted = signed_in(user).post(url, body, content_type="application/json")
    assert granted.status_code == 200
    viewer = signed_in(add_member(live, "viewer"))
    assert viewer.post(url, body, content_type="application/json").status_code == 403


def test_the_form_deploys_and_shows_a_refusal_with_what_was_typed(
    server: Child, tenant: Tenant, version: ModelVersion
) -> None:
    client = signed_in(tenant.memberships.get().user)
    url = f"/t/{tenant.slug}/deployments/new"
    form = client.get(f"{url}?version={version.pk}").content.decode()
    assert f'value="{version.pk}" selected' in form
    wrong = client.post(url, {"name": "two words", "version": str(version.pk)})
    assert wrong.status_code == 422
    assert "two words" in wrong.content.decode()
    done = client.post(url, {"name": "reviews", "version": str(version.pk)})
    assert done.headers["Location"].endswith("/deployments/reviews/")
    full = client.post(url, {"name": "second", "version": str(version.pk)})
    assert full.status_code == 402
    stopped = client.post(f"/t/{tenant.slug}/deployments/reviews/stop")
    assert (stopped.status_code, status_of(tenant)) == (302, "stopped")
