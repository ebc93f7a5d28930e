"""The embedding map: made by a job from the rows as they are, chosen from, acted on."""

from __future__ import annotations

import math
import os
import uuid
from typing import Any

import pytest

from modelyard.core import clock, storage
from modelyard.core.errors import Conflict, Invalid
from tenants.models import Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import bearer, make_key, make_tenant, owner_of, signed_in
from tests.factories_datasets import csv_of, import_file, make_dataset
from tests.factories_maps import QUICK_ENGINE, WRONG, make_mapped, order_map, spots, two_topics
from training.datasets import finding, mapped, selectors, services
from training.datasets.models import Dataset, Example, Map, Pick
from training.datasets.services import mapper, maps, sweeping

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a program without torch lay the rows out, but where the map itself is the question."""
    if "real" not in request.node.name:
        monkeypatch.setattr(mapper, "ENGINE", QUICK_ENGINE)


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def dataset(tenant: Tenant) -> Dataset:
    dataset = make_dataset(tenant)
    import_file(tenant, dataset, csv_of(two_topics()))
    return dataset


def waiting(tenant: Tenant, dataset: Dataset) -> Map:
    """Have a map that waits, as if its doorbell had been lost."""
    with tenant_scope(tenant.pk):
        found: Map = Map.objects.create(dataset=dataset, moved_at=clock.now())
    return found


def now(tenant: Tenant, dataset: Dataset) -> Map:
    with tenant_scope(tenant.pk):
        return mapped.map_get(dataset.pk)


def pick(tenant: Tenant, dataset: Dataset, ids: list[uuid.UUID]) -> str:
    with tenant_scope(tenant.pk):
        made = services.pick_create(actor=owner_of(tenant), dataset_id=dataset.pk, examples=ids)
        return str(made.pk)


def test_the_real_engine_puts_like_near_like_and_a_wrong_label_stands_out(
    tenant: Tenant,
) -> None:
    dataset = make_mapped(tenant)
    found = spots(tenant, dataset)
    row = now(tenant, dataset)
    assert (row.status, row.points, row.rows, row.unlabelled) == ("done", 50, 50, 0)
    assert row.labels == [["kitchen", 26], ["sport", 24]]
    assert sum(area["rows"] for area in row.areas) == 50
    assert {spot.area for spot in found.values()} == set(range(len(row.areas)))
    same, other = [], []
    for one in found.values():
        for two in found.values():
            apart = math.dist((one.x, one.y), (two.x, two.y))
            (same if one.is_sport == two.is_sport else other).append(apart)
    assert sum(same) / len(same) < 0.5 * sum(other) / len(other)
    assert [spot.text for spot in found.values() if spot.differing > 50] == [WRONG]
    assert sum(area["differing"] for area in row.areas) == 1
    # Nothing but ids and numbers leaves the database.
    stored = storage.get_bytes(row.points_key)
    assert len(stored) == 23 * 50
    assert not [text for text, _label in two_topics() if text.encode() in stored]


def test_the_page_says_when_rows_changed_and_acts_through_changes(tenant: Tenant) -> None:
    dataset = make_mapped(tenant)
    found = spots(tenant, dataset)
    sport = [one for one, spot in found.items() if spot.is_sport]
    chosen = pick(tenant, dataset, [*sport, sport[0]])
    browser = signed_in(*_person(tenant))
    page = f"/t/{tenant.slug}/datasets/{dataset.pk}/"
    shown = browser.get(page, {"pick": chosen}).content.decode()
    assert "25 rows" in shown
    assert "Boil the pasta" not in shown
    form = {"pick": chosen, "all": "1", "kind": "relabel", "value": "games"}
    preview = browser.post(f"{page}changes/new", form).content.decode()
    assert "Apply to all that match" in preview
    assert chosen in preview
    browser.post(f"{page}changes/new", {**form, "confirmed": "1"})
    with tenant_scope(tenant.pk):
        games = set(Example.live.filter(label="games").values_list("pk", flat=True))
        assert selectors.label_counts(dataset.pk) == {"games": 25, "kitchen": 25}
    assert games == set(sport)
    assert "data-map-stale" in browser.get(f"{page}map").content.decode()
    order_map(tenant, dataset)
    assert "data-map-stale" not in browser.get(f"{page}map").content.decode()


def _person(tenant: Tenant) -> tuple[Any]:
    from tenants.models import User

    return (User.objects.get(pk=owner_of(tenant).id),)


def test_a_pick_that_is_no_longer_kept_is_refused_and_never_means_no_row_or_all(
    tenant: Tenant, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tenant_scope(tenant.pk):
        rows = list(Example.live.filter(dataset=dataset).order_by("pk"))
    chosen = pick(tenant, dataset, [rows[0].pk])
    other = make_dataset(tenant)
    for where, name in ((dataset, str(uuid.uuid4())), (other, chosen)):
        params = {"selection": {"filters": {"pick": name}}}
        with tenant_scope(tenant.pk), pytest.raises(Conflict) as refused:
            services.change_start(
                actor=owner_of(tenant), dataset_id=where.pk, kind="remove", params=params
            )
        assert refused.value.code == "pick_gone"
    with tenant_scope(tenant.pk):
        found = finding.example_find(dataset.pk, {"pick": chosen})
        assert [row.pk for row in found] == [rows[0].pk]
        for wrong in ([], [uuid.uuid4()]):
            with pytest.raises(Invalid, match="Choose 1 to"):
                services.pick_create(actor=owner_of(tenant), dataset_id=dataset.pk, examples=wrong)
    monkeypatch.setattr(maps, "MOST_PICKS", 2)
    newest = {pick(tenant, dataset, [row.pk]) for row in rows[:2]}
    with tenant_scope(tenant.pk):
        assert {str(one) for one in Pick.objects.values_list("pk", flat=True)} == newest


def test_a_cancelled_map_ends_the_engine_and_leaves_nothing(
    tenant: Tenant, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_file(tenant, dataset, csv_of([("nap", "sport")]), "b.csv")
    found = waiting(tenant, dataset)
    monkeypatch.setattr(maps, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(mapper, "WAIT_SECONDS", 0.1)
    engines: list[int] = []
    real = maps._Making.beat

    def beat(self: Any, phase: str, done: int, total: int) -> None:
        pid = self.folder / "pid"
        if pid.exists() and pid.read_text() and not engines:
            engines.append(int(pid.read_text()))
            with tenant_scope(tenant.pk):
                services.map_cancel(actor=owner_of(tenant), dataset_id=dataset.pk)
        real(self, phase, done, total)

    monkeypatch.setattr(maps._Making, "beat", beat)
    services.map_run(tenant_id=tenant.pk, map_id=found.pk)
    with pytest.raises(ProcessLookupError):
        os.kill(engines[0], 0)
    after = now(tenant, dataset)
    assert (after.status, after.points_key) == ("cancelled", "")
    assert list(storage.list_keys(storage.tenant_key(tenant.pk, "datasets", str(found.pk)))) == []
    with tenant_scope(tenant.pk), pytest.raises(Conflict, match="no points yet"):
        mapped.points_key(dataset.pk)


def test_a_worker_that_lost_its_claim_stores_no_points(
    tenant: Tenant, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = waiting(tenant, dataset)
    real = storage.put_bytes

    def put(key: str, data: bytes, **more: Any) -> None:
        real(key, data, **more)
        with tenant_scope(tenant.pk):
            Map.objects.filter(pk=found.pk).update(attempt=2, lease_until=clock.now())

    with monkeypatch.context() as patch:
        patch.setattr(storage, "put_bytes", put)
        services.map_run(tenant_id=tenant.pk, map_id=found.pk)
    assert now(tenant, dataset).points_key == ""
    assert list(storage.list_keys(storage.tenant_key(tenant.pk, "datasets", str(found.pk)))) == []
    # The sweeper rings for what nobody holds any more, and another worker makes it.
    assert sweeping.sweep() >= 1
    assert now(tenant, dataset).status == "done"


def test_a_map_made_anew_replaces_the_former_one_unless_the_engine_ends_badly(
    tenant: Tenant,
) -> None:
    dataset = make_mapped(tenant)
    first = now(tenant, dataset).points_key
    before = storage.get_bytes(first)
    former = order_map(tenant, dataset).points_key
    assert former != first
    assert storage.get_bytes(former) == before
    assert storage.facts(first) is None
    import_file(tenant, dataset, csv_of([("poison", "sport")]), "b.csv")
    order_map(tenant, dataset)
    after = now(tenant, dataset)
    assert (after.status, after.error_code, after.points_key) == ("failed", "map_failed", former)
    page = signed_in(*_person(tenant)).get(f"/t/{tenant.slug}/datasets/{dataset.pk}/map")
    assert "The texts could not be laid out" in page.content.decode()
    assert 'id="map-plot"' in page.content.decode()


def test_of_a_larger_dataset_an_even_sample_is_shown_and_said(
    tenant: Tenant, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "MOST_POINTS", 20)
    monkeypatch.setattr(maps, "CHUNK_ROWS", 7)
    found = order_map(tenant, dataset)
    assert (found.points, found.rows) == (20, 50)
    with tenant_scope(tenant.pk):
        lowest = Example.live.filter(dataset=dataset).order_by("content_hash")[:20]
        assert set(spots(tenant, dataset)) == {row.pk for row in lowest}
    page = signed_in(*_person(tenant)).get(f"/t/{tenant.slug}/datasets/{dataset.pk}/map")
    assert "An even sample of 20 of 50 rows." in page.content.decode()


def test_a_program_makes_a_map_reads_it_and_keeps_rows(
    tenant: Tenant, dataset: Dataset, client: Any
) -> None:
    headers = bearer(make_key(tenant, ["write", "read"]))
    address = f"/api/v1/datasets/{dataset.pk}/map"
    assert client.get(address, **headers).json()["code"] == "no_map"
    assert client.post(address, **headers).status_code == 202
    body = client.get(address, **headers).json()
    assert (body["status"], body["points"], body["stale"], body["error"]) == (
        "done",
        50,
        False,
        None,
    )
    assert body["labels"] == [{"label": "kitchen", "rows": 26}, {"label": "sport", "rows": 24}]
    assert client.get(f"{address}/points", **headers).status_code == 302
    refused = client.delete(address, **headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "work_state")
    typical = body["areas"][0]["typical"]
    made = client.post(
        f"/api/v1/datasets/{dataset.pk}/picks", {"examples": [typical]},
        content_type="application/json", **headers,
    )  # fmt: skip
    assert made.status_code == 201, made.content
    assert made.json()["rows"] == 1
    listed = client.get(
        f"/api/v1/datasets/{dataset.pk}/examples", {"pick": made.json()["id"]}, **headers
    ).json()
    assert [row["id"] for row in listed["data"]] == [typical]
    empty = client.post(f"/api/v1/datasets/{make_dataset(tenant).pk}/map", **headers)
    assert (empty.status_code, empty.json()["code"]) == (422, "no_rows")
    with tenant_scope(tenant.pk):
        Dataset.objects.filter(pk=dataset.pk).update(task="image_classification")
    images = client.post(address, **headers)
    assert (images.status_code, images.json()["code"]) == (422, "map_of_texts")
