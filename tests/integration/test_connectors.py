"""Connectors of files: an address, a bucket; their schedule, their secret, their columns."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from django.test import Client

from modelyard.core import clock
from modelyard.core.errors import Conflict, Invalid, NotFound
from tenants.models import AuditEvent, Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import make_key, make_tenant, owner_of, signed_in
from tests.factories_connectors import WebSite, make_connector, pull, web_site
from tests.factories_datasets import again, make_dataset
from training.datasets import connector_selectors, services
from training.datasets.models import Connector, Dataset, Example, Item, Pull, Upload
from training.datasets.services import work

pytestmark = pytest.mark.django_db(transaction=True)
CSV = b"text,label\nIt broke,bad\nIt works,good\n"


@pytest.fixture
def site(settings: Any) -> Iterator[WebSite]:
    with web_site(settings) as running:
        yield running


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def dataset(tenant: Tenant) -> Dataset:
    return make_dataset(tenant)


def uploads_of(tenant: Tenant, pulled: Pull) -> list[Upload]:
    with tenant_scope(tenant.pk):
        return list(connector_selectors.pull_uploads(pulled.pk))


def mapped(tenant: Tenant, upload: Upload) -> Upload:
    with tenant_scope(tenant.pk):
        services.import_start(
            actor=owner_of(tenant), upload_id=upload.pk, text="text", label="label"
        )
    return again(upload)


def texts(tenant: Tenant, dataset: Dataset) -> list[str]:
    with tenant_scope(tenant.pk):
        return [row.text for row in Example.live.filter(dataset=dataset).order_by("id")]


def test_the_first_pull_of_a_file_stops_at_its_columns_and_later_ones_go_on_by_themselves(
    tenant: Tenant, dataset: Dataset, site: WebSite
) -> None:
    site.page("/prices", CSV, kind="text/csv", etag='"one"')
    connector = make_connector(tenant, dataset, "url", {"url": f"{site.url}/prices"})
    first = pull(tenant, connector)
    (upload,) = uploads_of(tenant, first)
    assert (first.status, upload.status, upload.filename) == ("done", "mapping", "prices.csv")
    assert mapped(tenant, upload).status == "done"

    unchanged = pull(tenant, connector)
    assert (unchanged.status, uploads_of(tenant, unchanged)) == ("done", [])
    assert unchanged.counts["unchanged"] == 1
    assert site.asked[-1].headers["if-none-match"] == '"one"'

    site.page("/prices", CSV + b"It rusts,bad\n", kind="text/csv", etag='"two"')
    (later,) = uploads_of(tenant, pull(tenant, connector))
    assert (later.status, later.rows_added, later.rows_repeated) == ("done", 1, 2)
    assert texts(tenant, dataset) == ["It broke", "It works", "It rusts"]


def test_a_file_whose_columns_changed_stops_and_says_which(
    tenant: Tenant, dataset: Dataset, site: WebSite
) -> None:
    site.page("/a.csv", CSV)
    connector = make_connector(tenant, dataset, "url", {"url": f"{site.url}/a.csv"})
    mapped(tenant, uploads_of(tenant, pull(tenant, connector))[0])
    site.page("/a.csv", b"text,kind\nIt bends,bad\n")
    (upload,) = uploads_of(tenant, pull(tenant, connector))
    assert upload.status == "mapping"
    with tenant_scope(tenant.pk):
        assert connector_selectors.columns_changed(upload) == (["kind"], ["label"])
    assert len(texts(tenant, dataset)) == 2


def test_what_was_stopped_at_its_columns_is_fetched_again_though_it_has_not_changed(
    tenant: Tenant, dataset: Dataset, site: WebSite
) -> None:
    site.page("/a.csv", CSV, etag='"one"')
    connector = make_connector(tenant, dataset, "url", {"url": f"{site.url}/a.csv"})
    (upload,) = uploads_of(tenant, pull(tenant, connector))
    services.upload_abandon(actor=owner_of(tenant), upload_id=upload.pk)
    (again_,) = uploads_of(tenant, pull(tenant, connector))
    assert again_.status == "mapping"
    assert "if-none-match" not in site.asked[-1].headers


def test_a_pull_from_our_own_network_fails_and_says_why(tenant: Tenant, dataset: Dataset) -> None:
    for url, code in [
        ("http://127.0.0.1/a.csv", "address_refused"),
        ("http://metadata.internal/a.csv", "host_unknown"),
    ]:
        ended = pull(tenant, make_connector(tenant, dataset, "url", {"url": url}))
        assert (ended.status, ended.error_code) == ("failed", code)
        assert uploads_of(tenant, ended) == []


def test_a_redirect_into_our_own_network_is_not_followed(
    tenant: Tenant, dataset: Dataset, site: WebSite
) -> None:
    site.page("/a.csv", b"", status=302, location="http://127.0.0.1:1/secret.csv")
    connector = make_connector(tenant, dataset, "url", {"url": f"{site.url}/a.csv"})
    assert pull(tenant, connector).error_code in {"address_refused", "port_refused"}


def test_a_file_over_the_plans_limit_is_stopped_while_it_is_read_and_leaves_nothing(
    tenant: Tenant, dataset: Dataset, site: WebSite, settings: Any
) -> None:
    settings.UPLOAD_MAX_BYTES = 1000
    site.page("/a.csv", b"text\n" + b"x" * 2000)
    site.page("/empty.csv", b"")
    large = make_connector(tenant, dataset, "url", {"url": f"{site.url}/a.csv"})
    empty = make_connector(tenant, dataset, "url", {"url": f"{site.url}/empty.csv"})
    missing = make_connector(tenant, dataset, "url", {"url": f"{site.url}/none.csv"})
    codes = [pull(tenant, one).error_code for one in (large, empty, missing)]
    assert codes == ["file_too_large", "file_empty", "http_status"]
    with tenant_scope(tenant.pk):
        assert not Upload.objects.exists()


@pytest.fixture
def bucket(settings: Any) -> Iterator[Any]:
    """A customer's bucket: in the test it lies beside ours, under an allowed address."""
    place = urlsplit(settings.S3_ENDPOINT_URL)
    settings.OUTBOUND_ALLOWED = settings.OUTBOUND_ALLOWED | {f"localhost:{place.port}"}
    client = boto3.client(
        "s3", endpoint_url=settings.S3_ENDPOINT_URL, region_name="us-east-1",
        aws_access_key_id=settings.S3_ACCESS_KEY, aws_secret_access_key=settings.S3_SECRET_KEY,
        config=Config(s3={"addressing_style": "path"}),
    )  # fmt: skip
    name = f"theirs-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    yield lambda key, body: client.put_object(Bucket=name, Key=key, Body=body)
    for one in client.list_objects_v2(Bucket=name).get("Contents", []):
        client.delete_object(Bucket=name, Key=one["Key"])
    client.delete_bucket(Bucket=name)


def bucket_config(settings: Any, put: Any, **more: str) -> dict[str, str]:
    place = urlsplit(settings.S3_ENDPOINT_URL)
    name = put.__closure__[1].cell_contents
    return {
        "endpoint": f"http://localhost:{place.port}", "bucket": name, "prefix": "new data/",
        "region": "us-east-1", "access_key": settings.S3_ACCESS_KEY, **more,
    }  # fmt: skip


def test_a_bucket_brings_its_new_and_changed_files_and_counts_what_it_skips(
    tenant: Tenant, dataset: Dataset, bucket: Any, settings: Any
) -> None:
    bucket("new data/höfe & more.csv", CSV)
    bucket("new data/b.csv", b"text,label\nIt sinks,bad\n")
    bucket("new data/photo.raw", b"nothing of ours")
    bucket("elsewhere/c.csv", b"text,label\nNever asked for,bad\n")
    config = bucket_config(settings, bucket)
    connector = make_connector(tenant, dataset, "s3", config, secret=settings.S3_SECRET_KEY)
    first = pull(tenant, connector)
    assert (first.status, first.error_code) == ("done", "")
    assert first.counts == {
        "found": 3, "fetched": 2, "unchanged": 0, "skipped": {"format_unknown": 1},
    }  # fmt: skip
    one, two = uploads_of(tenant, first)
    assert {one.status, two.status} == {"mapping"}
    mapped(tenant, one)
    # The other file has the same columns, so it followed.
    assert {again(one).status, again(two).status} == {"done"}
    assert sorted(texts(tenant, dataset)) == ["It broke", "It sinks", "It works"]

    bucket("new data/b.csv", b"text,label\nIt sinks,bad\nIt floats,good\n")
    second = pull(tenant, connector)
    assert second.counts["unchanged"] == 1
    (changed,) = uploads_of(tenant, second)
    assert (changed.status, changed.rows_added) == ("done", 1)
    assert "Never asked for" not in texts(tenant, dataset)


def test_a_wrong_secret_fails_with_the_stores_own_word_and_no_secret_is_ever_shown(
    tenant: Tenant, dataset: Dataset, bucket: Any, settings: Any
) -> None:
    config = bucket_config(settings, bucket)
    connector = make_connector(tenant, dataset, "s3", config, secret="canary-secret-4711")
    ended = pull(tenant, connector)
    assert ended.error_code == "bucket_refused"
    assert ended.error_data["says"] == "SignatureDoesNotMatch"
    api = Client()
    key = make_key(tenant, ["read", "write"])
    shown = api.get(
        f"/api/v1/connectors/{connector.pk}", headers={"authorization": f"Bearer {key}"}
    ).content
    page = signed_in(owner_of_user(tenant)).get(
        f"/t/{tenant.slug}/datasets/{dataset.pk}/connectors/{connector.pk}/edit"
    )
    with tenant_scope(tenant.pk):
        row = Connector.objects.get(pk=connector.pk)
        trail = str(list(AuditEvent.objects.values_list("facts", flat=True)))
    assert page.status_code == 200
    for place in (shown, page.content, bytes(row.secret_sealed or b""), trail.encode()):
        assert b"canary-secret" not in place
    assert b"secret_key" not in shown


def owner_of_user(tenant: Tenant) -> Any:
    return tenant.memberships.get(role="owner").user


def test_another_endpoint_needs_the_secret_anew(
    tenant: Tenant, dataset: Dataset, settings: Any
) -> None:
    config = {"endpoint": "https://s3.example", "bucket": "b", "access_key": "a"}
    connector = make_connector(tenant, dataset, "s3", config, secret="s")
    moved = {"endpoint": "https://thief.example"}
    with tenant_scope(tenant.pk), pytest.raises(Invalid) as refusal:
        services.connector_update(actor=owner_of(tenant), connector_id=connector.pk, config=moved)
    assert refusal.value.code == "secret_needed"
    with tenant_scope(tenant.pk):
        services.connector_update(
            actor=owner_of(tenant), connector_id=connector.pk, config=moved, secret="t"
        )


def test_a_wrong_connector_is_refused_at_its_field_and_nothing_is_made(
    tenant: Tenant, dataset: Dataset
) -> None:
    store = {"endpoint": "https://s3.example", "bucket": "b", "access_key": "k"}
    for kind, config, field in [
        ("url", {"url": "ftp://example.com/a"}, "url"),
        ("url", {"url": "https://user:word@example.com/a"}, "url"),
        ("feed", {"url": "https://example.com/feed", "max_pages": 10**6}, "max_pages"),
        ("s3", {**store, "bucket": "a/b"}, "bucket"),
        ("s3", {**store, "endpoint": "http://127.0.0.1:99"}, "endpoint"),
        ("ftp", {}, "kind"),
    ]:
        with pytest.raises(Invalid) as refusal:
            make_connector(tenant, dataset, kind, config, secret="s")
        fields = refusal.value.data["fields"]
        assert isinstance(fields, dict)
        assert list(fields) == [field]
    with tenant_scope(tenant.pk):
        assert not Connector.objects.exists()


def test_the_schedule_pulls_when_it_is_due_unless_paused_and_never_twice_at_once(
    tenant: Tenant, dataset: Dataset, site: WebSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.page("/a.csv", CSV)
    connector = make_connector(
        tenant, dataset, "url", {"url": f"{site.url}/a.csv"}, schedule="hourly"
    )
    assert services.pulls_due() == 0
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + dt.timedelta(hours=1, seconds=1))
    assert services.pulls_due() == 1
    assert services.pulls_due() == 0
    with tenant_scope(tenant.pk):
        (first,) = connector_selectors.pull_list(connector.pk)
        assert (first.status, first.scheduled) == ("done", True)
        services.connector_update(actor=owner_of(tenant), connector_id=connector.pk, paused=True)
    monkeypatch.setattr(clock, "now", lambda: now + dt.timedelta(hours=3))
    assert services.pulls_due() == 0
    with tenant_scope(tenant.pk):
        services.connector_update(actor=owner_of(tenant), connector_id=connector.pk, paused=False)
        Pull.objects.create(connector=connector, moved_at=clock.now())
        with pytest.raises(Conflict):
            services.pull_start(actor=owner_of(tenant), connector=connector)
    assert services.pulls_due() == 0


def test_a_cancelled_pull_stops_at_its_next_step_and_a_removed_connector_leaves_its_rows(
    tenant: Tenant, dataset: Dataset, site: WebSite
) -> None:
    site.page("/a.csv", CSV)
    connector = make_connector(tenant, dataset, "url", {"url": f"{site.url}/a.csv"})
    mapped(tenant, uploads_of(tenant, pull(tenant, connector))[0])
    with tenant_scope(tenant.pk):
        waiting = Pull.objects.create(connector=connector, moved_at=clock.now())
    claimed = work.claim(Pull, tenant_id=tenant.pk, row_id=waiting.pk)
    assert claimed is not None
    with tenant_scope(tenant.pk):
        services.pull_cancel(actor=owner_of(tenant), pull_id=waiting.pk)
    with tenant_scope(tenant.pk), pytest.raises(work.WorkLost):
        claimed.keep(done=1)
    with tenant_scope(tenant.pk):
        services.connector_delete(actor=owner_of(tenant), connector_id=connector.pk)
        assert not Pull.objects.exists()
        assert not Item.objects.exists()
    assert len(texts(tenant, dataset)) == 2


def test_a_dead_workers_pull_is_run_again_by_the_next_without_bringing_its_file_twice(
    tenant: Tenant, dataset: Dataset, site: WebSite, settings: Any
) -> None:
    site.page("/a.csv", CSV)
    connector = make_connector(tenant, dataset, "url", {"url": f"{site.url}/a.csv"})
    with tenant_scope(tenant.pk):
        waiting = Pull.objects.create(connector=connector, moved_at=clock.now())
    settings.RUN_LEASE_SECONDS = -1.0  # the lease of a worker that died
    assert work.claim(Pull, tenant_id=tenant.pk, row_id=waiting.pk) is not None
    settings.RUN_LEASE_SECONDS = 60.0
    assert services.sweep() >= 1
    with tenant_scope(tenant.pk):
        ended = connector_selectors.pull_get(waiting.pk)
    assert (ended.status, len(uploads_of(tenant, ended))) == ("done", 1)


def test_a_connector_of_another_workspace_is_not_there(tenant: Tenant, dataset: Dataset) -> None:
    connector = make_connector(tenant, dataset, "url", {"url": "https://example.com/a.csv"})
    stranger = make_tenant()
    with tenant_scope(stranger.pk), pytest.raises(NotFound):
        connector_selectors.connector_get(connector.pk)


def test_a_connector_is_made_pulled_watched_changed_and_removed_by_the_api(
    tenant: Tenant, dataset: Dataset, site: WebSite
) -> None:
    site.page("/a.csv", CSV)
    api, key = Client(), make_key(tenant, ["read", "write"])

    def call(method: str, path: str, body: object = None) -> Any:
        return api.generic(
            method, f"/api/v1/{path}", json.dumps(body) if body is not None else "",
            content_type="application/json", headers={"authorization": f"Bearer {key}"},
        )  # fmt: skip

    body = {"kind": "url", "name": "prices", "url": f"{site.url}/a.csv", "schedule": "daily"}
    made = call("POST", f"datasets/{dataset.pk}/connectors", body)
    assert made.status_code == 201, made.content
    connector = made.json()
    assert connector["config"] == {"url": body["url"]}
    pulled = call("POST", f"connectors/{connector['id']}/pulls").json()
    seen = call("GET", f"pulls/{pulled['id']}").json()
    assert (seen["status"], seen["progress"]["percent"]) == ("done", 100)
    assert [one["status"] for one in seen["uploads"]] == ["mapping"]
    assert call("GET", f"pulls/{pulled['id']}/items").json()["data"][0]["outcome"] == "fetched"
    assert call("POST", f"pulls/{pulled['id']}/cancel").status_code == 409
    changed = call("PATCH", f"connectors/{connector['id']}", {"paused": True, "name": "p"})
    assert (changed.json()["paused"], changed.json()["name"]) == (True, "p")
    wrong = call("PATCH", f"connectors/{connector['id']}", {"url": "nowhere"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "url_invalid")
    assert len(call("GET", f"datasets/{dataset.pk}/connectors").json()["data"]) == 1
    assert call("DELETE", f"connectors/{connector['id']}").status_code == 204
    assert call("GET", f"connectors/{connector['id']}").status_code == 404
