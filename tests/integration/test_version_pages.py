"""Versions by page and by API: freezing with options, comparing, restoring, the card, deleting."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from tenants.models import Tenant, User
from tenants.scoping.context import tenant_scope
from tests.factories import make_tenant, owner_of, signed_in
from tests.factories_datasets import csv_of, freeze, import_file, make_dataset
from tests.integration.test_freezing import ROWS
from training.datasets import selectors, services
from training.datasets.models import Comparison, Dataset, DatasetVersion, Example

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def dataset(tenant: Tenant) -> Dataset:
    dataset = make_dataset(tenant)
    import_file(tenant, dataset, csv_of(ROWS))
    return dataset


@pytest.fixture
def page(tenant: Tenant) -> Client:
    return signed_in(User.objects.get(pk=owner_of(tenant).id))


def newest(tenant: Tenant) -> DatasetVersion:
    with tenant_scope(tenant.pk):
        return DatasetVersion.objects.select_related("dataset").order_by("-number").first()


def test_a_version_is_frozen_with_options_looked_at_compared_restored_and_deleted(
    tenant: Tenant, dataset: Dataset, page: Client
) -> None:
    at = f"/t/{tenant.slug}"
    page.post(f"{at}/datasets/{dataset.pk}/words", {"words": "near,close to\nbroke,failed"})
    form = {
        "train": "70", "validation": "15", "test": "15", "seed": "3", "grouping": "near",
        "stratified": "on", "operations": ["dictionary", "swap"], "per_row": "2",
    }  # fmt: skip
    page.post(f"{at}/datasets/{dataset.pk}/freeze", form)
    version = newest(tenant)
    assert (version.status, version.seed, version.shares) == ("frozen", 3, [0.7, 0.15, 0.15])
    assert version.split_counts == {"train": 56, "validation": 12, "test": 12}
    assert version.split_labels["test"] == {"bad": 6, "good": 6}
    assert version.augmented_rows > 80
    shown = page.get(f"{at}/versions/{version.pk}/").content.decode()
    for words in ("Near duplicates", "Words of my list", "a.csv", "Labels in each split"):
        assert words in shown

    page.post(f"{at}/versions/{version.pk}/act", {"act": "notes", "notes": "From the | shop."})
    card = page.get(f"{at}/versions/{version.pk}/card.md").content.decode()
    assert "From the | shop." in card
    assert version.content_hash in card
    assert "| bad | 40 | 28 | 6 | 6 |" in card

    with tenant_scope(tenant.pk):
        key = str(Example.live.order_by("pk").first().pk)
        services.change_start(
            actor=owner_of(tenant), dataset_id=dataset.pk, kind="remove",
            params={"selection": {"ids": [key]}},
        )  # fmt: skip
    answer = page.post(f"{at}/versions/{version.pk}/compare", {"with": ""}, follow=True)
    assert "From v1 to the rows of today" in answer.content.decode()
    with tenant_scope(tenant.pk):
        comparison = Comparison.objects.get()
        assert comparison.counts["removed"] == 1
        text = Example.objects.get(pk=key).text
    listed = page.get(f"{at}/comparisons/{comparison.pk}/?kind=removed").content.decode()
    assert text.split(";")[0] in listed
    assert page.get(f"{at}/comparisons/{comparison.pk}/rows.csv").status_code == 302

    page.post(f"{at}/versions/{version.pk}/act", {"act": "restore"})
    with tenant_scope(tenant.pk):
        assert selectors.example_count(tenant.pk) == 80

    wrong = page.post(
        f"{at}/versions/{version.pk}/act", {"act": "delete", "name": "x"}, follow=True
    )
    assert "to delete this version" in wrong.content.decode()
    assert newest(tenant).status == "frozen"
    page.post(f"{at}/versions/{version.pk}/act", {"act": "delete", "name": str(version)})
    assert newest(tenant).status == "deleted"
    assert "The rows were deleted" in page.get(f"{at}/versions/{version.pk}/").content.decode()
    assert page.get(f"{at}/versions/{version.pk}/rows.parquet").status_code == 409


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"seed": "one"}, "Seed and shares are numbers"),
        ({"train": "50"}, "together 1"),
        ({"grouping": "field"}, "a named column"),
        ({"operations": ["insert"]}, "need a word list"),
    ],
)
def test_wrong_options_come_back_as_a_sentence(
    tenant: Tenant, dataset: Dataset, page: Client, fields: dict[str, Any], sentence: str
) -> None:
    form = {"train": "80", "validation": "10", "test": "10", "seed": "0", "grouping": "near"}
    answer = page.post(
        f"/t/{tenant.slug}/datasets/{dataset.pk}/freeze", {**form, **fields}, follow=True
    )
    assert sentence in answer.content.decode()
    assert newest(tenant) is None


def test_the_api_freezes_with_options_and_says_where_a_row_went(
    tenant: Tenant, dataset: Dataset, page: Client
) -> None:
    api = f"/t/{tenant.slug}/api/v1"

    def post(path: str, body: dict[str, Any]) -> Any:
        return page.post(f"{api}/{path}", json.dumps(body), content_type="application/json")

    assert post(f"datasets/{dataset.pk}/words", {"csv": "lonely"}).json()["code"] == "words_line"
    words = post(f"datasets/{dataset.pk}/words", {"csv": "near,by"}).json()
    assert words == {"words": {"near": ["by"]}}
    made = post(
        f"datasets/{dataset.pk}/versions",
        {"grouping": {"by": "exact"}, "augmentation": {"operations": ["dictionary"]}},
    )
    assert made.status_code == 201
    version = page.get(f"{api}/versions/{made.json()['id']}").json()
    assert (version["status"], version["error"]) == ("frozen", None)
    assert version["augmented_rows"] > 0
    second = freeze(tenant, dataset.pk, 5)
    compared = post(f"versions/{version['id']}/compare", {"with_version": str(second.pk)}).json()
    done = page.get(f"{api}/comparisons/{compared['id']}").json()
    assert (done["status"], done["counts"]["added"]) == ("done", 0)
    assert page.get(f"{api}/comparisons/{compared['id']}/rows").json()["data"] == []
    with tenant_scope(tenant.pk):
        row = Example.live.first()
    placed = page.get(f"{api}/examples/{row.pk}").json()
    assert [one["number"] for one in placed["versions"]] == [2, 1]
    assert page.get(f"{api}/versions/{version['id']}/uses").json() == {"data": []}
    assert post(f"versions/{version['id']}/restore", {}).status_code == 201
    refused = post(f"versions/{version['id']}/delete", {"name": "no"})
    assert (refused.status_code, refused.json()["code"]) == (422, "name_differs")
