"""From a file to a frozen version, on the real database, object store and parsing child."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import urllib.parse

import httpx2
import pyarrow.parquet as pq
import pytest
from django.test import Client

from modelyard.core import clock, storage
from modelyard.core.errors import Conflict, Invalid, NotFound, QuotaExceeded
from tenants.scoping.context import tenant_scope
from tests.factories import bearer, make_key, make_tenant, make_user, owner_of, signed_in
from tests.factories_datasets import (
    again,
    csv_of,
    first_rows,
    freeze,
    import_file,
    make_dataset,
    make_version,
    send_file,
)
from training.datasets import proof, selectors, services
from training.datasets.models import DatasetVersion, Example, Upload, VersionRow
from training.datasets.services import claims, imports

pytestmark = pytest.mark.django_db(transaction=True)

FAULTS = b"""text,label
good film,pos
,neg
"spans
two lines",pos
one,two,three
"never closed,neg
caf\xff\xfe bad bytes,pos
nul \x00 inside,neg
last one,neg
"""
FILMS = [(f"a {kind} film, number {n}", label) for n in range(20) for kind, label in
         (("lovely", "good"), ("dull", "bad"))]  # fmt: skip


def counts(upload: Upload) -> tuple[int, int, int, int]:
    return upload.rows_read, upload.rows_added, upload.rows_repeated, upload.rows_rejected


def test_an_upload_with_five_faults_imports_the_rest_and_names_each_line():
    tenant = make_tenant()
    dataset = make_dataset(tenant)
    upload = import_file(tenant, dataset, FAULTS)
    assert upload.status == "done"
    assert counts(upload) == (8, 3, 0, 5)
    found = [(line, column, code) for line, column, code, _value, _detail in upload.rejects]
    assert found == [
        (3, "text", "missing_text"),
        (6, "", "field_count"),
        (7, "text", "quote"),
        (8, "text", "undecodable"),
        (9, "text", "nul"),
    ]
    with tenant_scope(tenant.pk):
        rows = [(row.line, row.text, row.label) for row in first_rows(dataset.pk)]
    assert rows == [
        (2, "good film", "pos"),
        (4, "spans\ntwo lines", "pos"),
        (10, "last one", "neg"),
    ]
    assert len(upload.sha256) == 64


def test_the_rejects_file_lists_line_column_reason_and_holds_no_formula():
    tenant = make_tenant()
    dataset = make_dataset(tenant)
    content = b'text,label\nfine,a\n=HYPERLINK("x"),a,b\n@sum(1),a,b\n,a\n'
    upload = import_file(tenant, dataset, content)
    rows = list(csv.reader(io.StringIO(storage.get_bytes(upload.rejects_key).decode("utf-8-sig"))))
    assert rows[0] == ["line", "column", "reason", "value"]
    assert [row[0] for row in rows[1:]] == ["3", "4", "5"]
    assert "this row has 3" in rows[1][2]
    assert rows[1][3].startswith("'=")
    assert rows[2][3].startswith("'@")


def test_the_same_file_twice_adds_nothing_and_counts_repeats():
    tenant = make_tenant()
    dataset = make_dataset(tenant)
    content = csv_of([*FILMS, FILMS[0]])
    first = import_file(tenant, dataset, content)
    second = import_file(tenant, dataset, content)
    assert counts(first) == (41, 40, 1, 0)
    assert counts(second) == (41, 0, 41, 0)


def test_the_same_text_with_another_label_stays_and_is_a_finding():
    tenant = make_tenant()
    dataset = make_dataset(tenant)
    import_file(tenant, dataset, csv_of([*FILMS, (FILMS[0][0], "bad"), ("no label here", "")]))
    with tenant_scope(tenant.pk):
        found = {one.code: one.count for one in selectors.finding_list(dataset.pk)}
        labels = selectors.label_counts(dataset.pk)
    assert found == {"conflicting_labels": 1, "unlabelled": 1}
    assert labels == {"bad": 21, "good": 20}


@pytest.mark.parametrize(
    ("content", "filename", "code"),
    [
        (b"text,label\n", "a.csv", "header_only"),
        (b"PK\x03\x04....", "a.xlsx", "archive_broken"),
        (bytes(range(256)) * 50, "a.csv", "binary_file"),
    ],
)
def test_a_useless_file_is_rejected_with_a_sentence(content, filename, code):
    tenant = make_tenant()
    upload = send_file(owner_of(tenant), make_dataset(tenant), content, filename)
    assert (upload.status, upload.error_code) == ("rejected", code)


def test_an_import_of_no_row_is_rejected_and_leaves_the_dataset_unchanged():
    tenant = make_tenant()
    dataset = make_dataset(tenant)
    upload = import_file(tenant, dataset, b"text,label\n,a\n ,b\n")
    assert (upload.status, upload.error_code) == ("rejected", "nothing_imported")
    assert upload.rows_rejected == 2
    assert upload.rejects_key


def test_a_broken_json_list_imports_nothing_at_all():
    tenant = make_tenant()
    dataset = make_dataset(tenant)
    rows = [{"text": f"sentence {n}", "label": "ab"[n % 2]} for n in range(15_000)]
    content = json.dumps(rows, indent=0).encode()[:-200] + b"oops"
    upload = import_file(tenant, dataset, content, "a.json")
    assert (upload.status, upload.error_code) == ("rejected", "json_broken")
    with tenant_scope(tenant.pk):
        assert Example.objects.count() == 0


def test_an_import_over_the_plan_is_refused_whole(settings):
    tenant = make_tenant()
    dataset = make_dataset(tenant)
    content = csv_of((f"sentence {n}", "ab"[n % 2]) for n in range(20_050))
    upload = import_file(tenant, dataset, content)
    assert (upload.status, upload.error_code) == ("rejected", "quota_exceeded")
    with tenant_scope(tenant.pk):
        assert Example.objects.count() == 0
    settings.UPLOAD_MAX_BYTES = 10 * 1024**3
    with pytest.raises(QuotaExceeded):
        services.upload_start(
            actor=owner_of(tenant), dataset_id=dataset.pk, filename="a.csv", size=2 * 1024**3
        )


def test_missing_parts_are_named_and_can_be_sent_later(settings):
    settings.UPLOAD_PART_BYTES = 5 * 1024**2
    tenant = make_tenant()
    dataset, actor = make_dataset(tenant), owner_of(tenant)
    content = csv_of((f"{'long ' * 200}{n}", "ab"[n % 2]) for n in range(6_000))
    upload = services.upload_start(
        actor=actor, dataset_id=dataset.pk, filename="a.csv", size=len(content)
    )
    first, second = services.upload_parts(actor=actor, upload=upload)
    size = settings.UPLOAD_PART_BYTES
    httpx2.put(first.url, content=content[:size]).raise_for_status()
    with pytest.raises(Invalid) as refusal:
        services.upload_finish(actor=actor, upload_id=upload.pk)
    assert refusal.value.data["missing"] == [2]
    httpx2.put(second.url, content=content[size:]).raise_for_status()
    assert services.upload_finish(actor=actor, upload_id=upload.pk).status in {
        "verifying",
        "mapping",
    }
    assert services.upload_finish(actor=actor, upload_id=upload.pk).status == "mapping"


def test_a_worker_that_dies_in_the_middle_is_taken_over_with_right_counts(monkeypatch):
    tenant = make_tenant()
    dataset, actor = make_dataset(tenant), owner_of(tenant)
    upload = send_file(actor, dataset, csv_of((f"sentence {n}", "ab"[n % 2]) for n in range(4_500)))
    store, seen = imports._store, []

    def die_at_the_third(claimed, tally, batch):
        seen.append(1)
        if len(seen) == 3:
            raise KeyboardInterrupt
        store(claimed, tally, batch)

    monkeypatch.setattr(imports, "_store", die_at_the_third)
    with pytest.raises(KeyboardInterrupt), tenant_scope(tenant.pk):
        services.import_start(actor=actor, upload_id=upload.pk, text="text", label="label")
    monkeypatch.setattr(imports, "_store", store)
    half = again(upload)
    assert (half.status, half.rows_read) == ("importing", 4_000)
    assert services.sweep() == 0  # its lease still runs
    with tenant_scope(tenant.pk):
        Upload.objects.update(lease_until=clock.now() - dt.timedelta(seconds=1))
    assert services.sweep() == 1
    done = again(upload)
    assert done.status == "done"
    assert counts(done) == (4_500, 4_500, 0, 0)


def test_an_import_that_always_dies_is_given_up_with_a_sentence():
    tenant = make_tenant()
    dataset = make_dataset(tenant)
    upload = send_file(owner_of(tenant), dataset, csv_of(FILMS))
    with tenant_scope(tenant.pk):
        Upload.objects.filter(pk=upload.pk).update(
            status="importing", mapping=upload.preview["source"], attempt=claims.MAX_ATTEMPTS
        )
    services.import_run(tenant_id=tenant.pk, upload_id=upload.pk)
    assert again(upload).error_code == "import_lost"


def test_an_abandoned_import_keeps_nothing_and_a_late_worker_writes_nothing(monkeypatch):
    tenant = make_tenant()
    dataset, actor = make_dataset(tenant), owner_of(tenant)
    upload = send_file(actor, dataset, csv_of((f"sentence {n}", "ab"[n % 2]) for n in range(4_500)))
    store, seen = imports._store, []

    def abandon_at_the_third(claimed, tally, batch):
        seen.append(1)
        if len(seen) == 3:
            services.upload_abandon(actor=actor, upload_id=upload.pk)
        store(claimed, tally, batch)

    monkeypatch.setattr(imports, "_store", abandon_at_the_third)
    with tenant_scope(tenant.pk):
        services.import_start(actor=actor, upload_id=upload.pk, text="text", label="label")
    assert again(upload).status == "abandoned"
    assert storage.facts(upload.storage_key) is None
    with tenant_scope(tenant.pk):
        assert Example.objects.count() == 0
    with pytest.raises(Conflict), tenant_scope(tenant.pk):
        services.import_start(actor=actor, upload_id=upload.pk, text="text", label="label")


def test_a_file_waits_for_another_and_finds_no_rows_of_one_that_was_stopped(monkeypatch):
    tenant = make_tenant()
    dataset, actor = make_dataset(tenant), owner_of(tenant)
    content = csv_of((f"sentence {n}", "ab"[n % 2]) for n in range(4_500))
    first, second = (send_file(actor, dataset, content, name) for name in ("a.csv", "b.csv"))
    store, seen = imports._store, []

    def stop_at_the_third(claimed, tally, batch):
        seen.append(claimed.upload.filename)
        if len(seen) == 3:
            with tenant_scope(tenant.pk):
                services.import_start(actor=actor, upload_id=second.pk, text="text", label="label")
            assert (again(second).status, again(second).started_at) == ("importing", None)
            services.upload_abandon(actor=actor, upload_id=first.pk)
        store(claimed, tally, batch)

    monkeypatch.setattr(imports, "_store", stop_at_the_third)
    with tenant_scope(tenant.pk):
        services.import_start(actor=actor, upload_id=first.pk, text="text", label="label")
    assert again(first).status == "abandoned"
    assert (again(second).status, counts(again(second))) == ("done", (4_500, 4_500, 0, 0))
    with tenant_scope(tenant.pk):
        assert set(Example.objects.values_list("upload", flat=True)) == {second.pk}


def test_rows_of_a_stopped_file_are_taken_out_though_the_worker_died_meanwhile():
    tenant = make_tenant()
    upload = import_file(tenant, make_dataset(tenant), csv_of(FILMS))
    past = clock.now() - dt.timedelta(seconds=1)
    with tenant_scope(tenant.pk):
        Upload.objects.update(status="abandoned", lease_until=past)
        with pytest.raises(Conflict):
            services.version_freeze(actor=owner_of(tenant), dataset_id=upload.dataset_id)
    assert services.sweep() == 1
    with tenant_scope(tenant.pk):
        assert not Example.objects.exists()
        assert selectors.dataset_get(upload.dataset_id).example_count == 0
    assert again(upload).lease_until is None


def test_a_day_old_upload_that_never_arrived_is_swept_away():
    tenant = make_tenant()
    dataset = make_dataset(tenant)
    upload = services.upload_start(
        actor=owner_of(tenant), dataset_id=dataset.pk, filename="a.csv", size=10
    )
    with tenant_scope(tenant.pk):
        Upload.objects.update(moved_at=clock.now() - dt.timedelta(hours=25))
    assert services.sweep() == 1
    assert again(upload).status == "abandoned"


def test_the_user_may_choose_encoding_and_delimiter():
    tenant = make_tenant()
    dataset, actor = make_dataset(tenant), owner_of(tenant)
    rows = [("Příliš žluťoučký kůň", "ano"), ("Zażółć gęślą jaźń", "ne")]
    content = csv_of(rows).decode().replace(",", ";").encode("cp1250")
    upload = send_file(actor, dataset, content)
    with tenant_scope(tenant.pk):
        services.upload_inspect_again(
            actor=actor, upload_id=upload.pk, encoding="windows-1250", delimiter=";", header=True
        )
    upload = again(upload)
    assert upload.preview["rows"][0]["cells"] == ["Příliš žluťoučký kůň", "ano"]
    with tenant_scope(tenant.pk):
        services.import_start(actor=actor, upload_id=upload.pk, text="text", label="label")
        with pytest.raises(Conflict):
            services.upload_inspect_again(actor=actor, upload_id=upload.pk)
    with tenant_scope(tenant.pk):
        stored = [(row.text, row.label) for row in first_rows(dataset.pk)]
    assert stored == rows


def test_a_version_is_stratified_and_exact_duplicates_never_cross():
    tenant = make_tenant()
    twins = [(FILMS[0][0], "bad"), (FILMS[1][0], "good")]
    version = make_version(tenant, [*FILMS, *twins])
    assert version.status == "frozen"
    assert version.rows == 42
    assert sum(version.split_counts.values()) == 42
    facts = selectors_version(tenant, version)
    table = pq.read_table(io.BytesIO(storage.get_bytes(facts.rows_key))).to_pylist()
    assert {*table[0]} == set(proof.SCHEMA.names)
    by_text: dict[str, set[str]] = {}
    for row in table:
        by_text.setdefault(row["text"], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in by_text.values())
    for split in ("train", "validation", "test"):
        assert {row["label"] for row in table if row["split"] == split} == {"good", "bad"}
    with tenant_scope(tenant.pk):
        assert VersionRow.objects.filter(version=version).count() == 42


def selectors_version(tenant, version):
    with tenant_scope(tenant.pk):
        return selectors.version_get(version.pk)


def test_the_content_hash_knows_content_and_split_and_not_the_order_of_rows():
    tenant = make_tenant()
    forwards = make_version(tenant, FILMS)
    backwards = make_version(tenant, reversed(FILMS))
    other = make_version(tenant, [*FILMS[:-1], ("another film", "bad")])
    reseeded = freeze(tenant, forwards.dataset_id, seed=1)
    assert forwards.content_hash == backwards.content_hash
    assert len({forwards.content_hash, other.content_hash, reseeded.content_hash}) == 3
    assert reseeded.number == 2


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([], "no_labelled_rows"),
        ([("a", ""), ("b", "")], "no_labelled_rows"),
        ([("a", "x"), ("b", "x"), ("c", "x")], "one_label"),
        ([*FILMS, ("only one", "rare")], "label_too_small"),
        ([("a", "x"), ("b", "x"), ("c", "y"), ("d", "y")], "too_few_rows"),
    ],
)
def test_what_no_model_could_learn_from_is_not_frozen(rows, code):
    tenant = make_tenant()
    dataset = make_dataset(tenant)
    if rows:
        import_file(tenant, dataset, csv_of(rows))
    with pytest.raises(Invalid) as refusal, tenant_scope(tenant.pk):
        services.version_freeze(actor=owner_of(tenant), dataset_id=dataset.pk)
    assert refusal.value.code == code


def test_nothing_is_frozen_while_an_import_runs_nor_imported_while_a_freeze_runs():
    tenant = make_tenant()
    version = make_version(tenant)
    actor = owner_of(tenant)
    with tenant_scope(tenant.pk):
        dataset = selectors.dataset_get(version.dataset_id)
    upload = send_file(actor, dataset, csv_of([("one more", "good")]))
    with tenant_scope(tenant.pk):
        DatasetVersion.objects.update(status="freezing")
    with pytest.raises(Conflict) as refusal, tenant_scope(tenant.pk):
        services.import_start(actor=actor, upload_id=upload.pk, text="text", label="label")
    assert refusal.value.code == "freeze_running"
    with tenant_scope(tenant.pk):
        DatasetVersion.objects.update(status="frozen")
        Upload.objects.filter(pk=upload.pk).update(status="importing")
    with pytest.raises(Conflict) as refusal, tenant_scope(tenant.pk):
        services.version_freeze(actor=actor, dataset_id=dataset.pk)
    assert refusal.value.code == "import_running"


def test_another_tenant_sees_nothing_of_it():
    version = make_version(make_tenant())
    stranger = make_tenant()
    with tenant_scope(stranger.pk), pytest.raises(NotFound):
        selectors.version_get(version.pk)
    with tenant_scope(stranger.pk), pytest.raises(NotFound):
        selectors.dataset_get(version.dataset_id)


def test_the_whole_way_by_api():
    tenant = make_tenant()
    client, auth = Client(), bearer(make_key(tenant))

    def post(path, body=None, **headers):
        return client.post(
            f"/api/v1/{path}", json.dumps(body or {}), "application/json", **auth, **headers
        )

    dataset = post("datasets", {"name": "Films"}).json()
    assert dataset["example_count"] == 0
    assert post("datasets", {"name": "films"}).json()["code"] == "name_taken"
    content = csv_of([*FILMS, ("", "bad")])
    key = {"HTTP_IDEMPOTENCY_KEY": "one"}
    body = {"filename": "films.csv", "bytes": len(content)}
    started = post(f"datasets/{dataset['id']}/uploads", body, **key)
    assert started.status_code == 201
    plan = started.json()
    twin = post(f"datasets/{dataset['id']}/uploads", body, **key)
    assert twin.json()["id"] == plan["id"]
    signed = post(f"uploads/{plan['id']}/parts", {"numbers": [1]}).json()["parts"]
    httpx2.put(signed[0]["url"], content=content).raise_for_status()
    finished = client.post(plan["finish_url"], "{}", "application/json", **auth)
    assert finished.status_code == 200
    found = client.get(f"/api/v1/uploads/{plan['id']}", **auth).json()
    assert found["status"] == "mapping"
    assert found["preview"]["source"]["text"] == "text"
    wrong = post(f"uploads/{plan['id']}/import", {"text": "nope", "label": "label"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "column_missing")
    assert (
        post(f"uploads/{plan['id']}/import", {"text": "text", "label": "label"}).status_code == 200
    )
    done = client.get(f"/api/v1/uploads/{plan['id']}", **auth).json()
    assert (done["status"], done["counts"]["rows_added"]) == ("done", 40)
    assert done["rejects"][0] == {
        "line": 42,
        "column": "text",
        "code": "missing_text",
        "reason": "The text is empty.",
        "value": "",
    }
    assert done["progress"]["eta_seconds"] == 0
    rejects = client.get(f"/api/v1/uploads/{plan['id']}/rejects", **auth)
    assert rejects.status_code == 302
    assert b"42,text" in httpx2.get(rejects.url).content
    page = client.get(f"/api/v1/datasets/{dataset['id']}/examples?limit=15", **auth).json()
    assert (len(page["data"]), page["has_more"]) == (15, True)
    version = post(f"datasets/{dataset['id']}/versions").json()
    frozen = client.get(f"/api/v1/versions/{version['id']}", **auth).json()
    assert (frozen["status"], frozen["rows"]) == ("frozen", 40)
    assert len(frozen["content_hash"]) == 64
    assert client.get(f"/api/v1/datasets/{dataset['id']}/versions", **auth).json()["data"]
    detail = client.get(f"/api/v1/datasets/{dataset['id']}", **auth).json()
    assert detail["label_counts"] == {"bad": 20, "good": 20}
    stranger = bearer(make_key(make_tenant()))
    for path in (f"datasets/{dataset['id']}", f"uploads/{plan['id']}", f"versions/{version['id']}"):
        assert client.get(f"/api/v1/{path}", **stranger).status_code == 404


def test_an_upload_may_be_abandoned_by_api():
    tenant = make_tenant()
    client, auth = Client(), bearer(make_key(tenant))
    dataset = make_dataset(tenant)
    upload = services.upload_start(
        actor=owner_of(tenant), dataset_id=dataset.pk, filename="a.csv", size=10
    )
    gone = client.delete(f"/api/v1/uploads/{upload.pk}", **auth)
    assert gone.json()["status"] == "abandoned"
    late = client.post(f"/api/v1/uploads/{upload.pk}/finish", "{}", "application/json", **auth)
    assert late.status_code == 409


def test_the_whole_way_by_pages():
    user = make_user()
    tenant = make_tenant(user)
    browser = signed_in(user)
    home = f"/t/{tenant.slug}"
    assert "No dataset yet" in browser.get(f"{home}/datasets/").content.decode()
    assert browser.post(f"{home}/datasets/new", {"name": " "}).status_code == 422
    made = browser.post(f"{home}/datasets/new", {"name": "Films"})
    wizard = browser.get(made.url).content.decode()
    start = wizard.split('data-start="')[1].split('"')[0]
    content = FAULTS + csv_of([*FILMS, ("not good", "neg")]).split(b"\r\n", 1)[1]
    body = json.dumps({"filename": "films.csv", "bytes": len(content)})
    plan = browser.post(start, body, "application/json").json()
    httpx2.put(plan["parts"][0]["url"], content=content).raise_for_status()
    mapping_url = browser.post(plan["finish_url"], "{}", "application/json").json()["next_url"]
    page = browser.get(mapping_url).content.decode()
    assert "good film" in page
    assert "First row is a header" in page
    read_again = browser.post(
        f"{mapping_url}inspect", {"encoding": "utf-8", "delimiter": ",", "header": "on"}
    )
    assert read_again.status_code == 302
    unclear = browser.post(mapping_url, {"role_0": "text", "role_1": "text"})
    assert unclear.status_code == 422
    assert "exactly one column" in unclear.content.decode()
    assert browser.post(mapping_url, {"role_0": "text", "role_1": "label"}).status_code == 302
    result = browser.get(mapping_url).content.decode()
    for line in (3, 6, 7, 8, 9):
        assert f'data-reject-line="{line}"' in result
    assert "44 rows imported" in result
    assert browser.get(f"{mapping_url}rejects").status_code == 302
    detail = made.url.removesuffix("import")
    assert "a lovely film, number 3" in browser.get(detail).content.decode()
    frozen = browser.post(f"{detail}freeze", follow=True).content.decode()
    assert "v1" in frozen
    query = urllib.parse.urlencode({"q": "dull", "label": "bad", "split": "test"})
    fragment = browser.get(f"{detail}rows?{query}").content.decode()
    assert "2 rows" in fragment
    assert "Films" in browser.get(f"{home}/datasets/").content.decode()
    stranger = signed_in(make_user())
    assert stranger.get(detail).status_code == 404


def test_an_upload_of_another_dataset_is_not_found_below_this_one():
    user = make_user()
    tenant = make_tenant(user)
    upload = send_file(owner_of(tenant), make_dataset(tenant), csv_of(FILMS))
    other = make_dataset(tenant)
    url = f"/t/{tenant.slug}/datasets/{other.pk}/imports/{upload.pk}/"
    assert signed_in(user).get(url).status_code == 404
