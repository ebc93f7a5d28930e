"""Rows that a program sends: counted, known again, refused one by one, within the plan."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from billing import plans
from billing import services as billing
from billing.models import LimitOverride
from tenants import access
from tenants.models import Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import make_key, make_tenant
from tests.factories_datasets import csv_of, import_file, make_dataset
from training.datasets.models import Dataset, Example, Upload

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def dataset(tenant: Tenant) -> Dataset:
    return make_dataset(tenant)


def send(tenant: Tenant, dataset: Dataset, rows: object, key: str = "", **headers: str) -> Any:
    key = key or make_key(tenant, ["write"])
    return Client().post(
        f"/api/v1/datasets/{dataset.pk}/rows", json.dumps({"rows": rows}),
        content_type="application/json",
        headers={"authorization": f"Bearer {key}", **headers},
    )  # fmt: skip


def test_rows_are_added_once_by_content_and_each_wrong_one_is_named_by_its_place(
    tenant: Tenant, dataset: Dataset
) -> None:
    rows = [
        {"text": "It broke", "label": " bad ", "fields": {"id": 7}, "tags": ["b", "a", "a"]},
        {"text": "  "},
        {"text": "It works"},
        {"text": 5},
        {"text": "x" * 100_001},
        {"text": "fine", "label": "y" * 201},
        {"text": "fine", "labels": "z"},
        {"text": "fine", "tags": "one"},
        {"text": "fine", "fields": [1]},
        {"text": "It broke", "label": "bad"},
    ]
    answer = send(tenant, dataset, rows)
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["added"], body["repeated"], body["refused"]) == (2, 1, 7)
    assert [(one["index"], one["field"], one["code"]) for one in body["errors"]] == [
        (1, "text", "missing_text"),
        (3, "text", "wrong_type"),
        (4, "text", "too_long"),
        (5, "label", "label_too_long"),
        (6, "labels", "unknown_field"),
        (7, "tags", "tags_wrong"),
        (8, "fields", "not_object"),
    ]
    with tenant_scope(tenant.pk):
        first, second = Example.live.order_by("line")
        assert (first.text, first.label, first.tags) == ("It broke", "bad", ["a", "b"])
        assert first.data["fields"] == {"id": 7}
        assert (second.label, second.tags) == (None, [])
    again = send(tenant, dataset, rows[:1]).json()
    assert (again["added"], again["repeated"]) == (0, 1)
    with tenant_scope(tenant.pk):
        (upload,) = Upload.objects.all()
    assert (upload.filename, upload.status) == ("API", "done")
    counts = (upload.rows_read, upload.rows_added, upload.rows_repeated, upload.rows_rejected)
    assert counts == (11, 2, 2, 7)


def test_a_replayed_request_gets_the_first_answer(tenant: Tenant, dataset: Dataset) -> None:
    key = make_key(tenant, ["write"])
    twice = [
        send(tenant, dataset, [{"text": "once"}], key, **{"idempotency-key": "k1"})
        for _ in range(2)
    ]
    assert [one.json()["added"] for one in twice] == [1, 1]
    assert twice[1].headers["Idempotent-Replay"] == "true"
    with tenant_scope(tenant.pk):
        assert Upload.objects.get().rows_read == 1


def test_a_row_that_a_file_brought_is_known_to_the_api_too(
    tenant: Tenant, dataset: Dataset
) -> None:
    import_file(tenant, dataset, csv_of([("It broke", "bad")]))
    assert send(tenant, dataset, [{"text": "It broke", "label": "bad"}]).json()["added"] == 0


def test_a_row_of_a_file_that_is_still_imported_is_put_off_since_it_might_go_again(
    tenant: Tenant, dataset: Dataset
) -> None:
    upload = import_file(tenant, dataset, csv_of([("It broke", "bad")]))
    with tenant_scope(tenant.pk):
        Upload.objects.filter(pk=upload.pk).update(status="importing")
    put_off = send(tenant, dataset, [{"text": "new"}, {"text": "It broke", "label": "bad"}])
    assert (put_off.status_code, put_off.json()["code"]) == (409, "import_running")
    assert send(tenant, dataset, [{"text": "new"}]).json()["added"] == 1


def test_a_body_that_is_no_list_of_rows_is_refused_whole(tenant: Tenant, dataset: Dataset) -> None:
    key = make_key(tenant, ["write"])
    for rows in ([], [{"text": "a"}] * 1001, "a", None):
        assert send(tenant, dataset, rows, key).status_code == 422
    assert send(tenant, dataset, [1], key).json()["errors"][0]["code"] == "not_object"


def test_a_key_without_the_scope_may_not_and_a_full_plan_takes_no_row_of_the_call(
    tenant: Tenant, dataset: Dataset, settings: Any
) -> None:
    settings.BILLING = "sandbox"
    assert send(tenant, dataset, [{"text": "a"}], make_key(tenant, ["read"])).status_code == 403
    with tenant_scope(tenant.pk):
        billing.account_set_plan(actor=access.system(tenant.pk), plan="free")
        LimitOverride.objects.create(limit=plans.EXAMPLES, value=2, reason="a test", by="op")
    refused = send(tenant, dataset, [{"text": str(n)} for n in range(3)])
    assert (refused.status_code, refused.json()["code"]) == (402, "quota_exceeded")
    with tenant_scope(tenant.pk):
        assert not Example.objects.exists()
        assert not Upload.objects.exists()
    assert send(tenant, dataset, [{"text": str(n)} for n in range(2)]).json()["added"] == 2
