"""Changes of rows: applied as a job, counted, undone to the former hash, stopped half-way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection

from modelyard.core import clock
from modelyard.core.errors import Conflict, Invalid
from tenants.models import Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import make_tenant, owner_of
from tests.factories_datasets import csv_of, first_rows, import_file, make_dataset
from training.datasets import selectors, services
from training.datasets.models import Change, ChangeRow, Dataset, DatasetVersion, Example, Tally
from training.datasets.services import changes, work
from training.datasets.states import CHANGE

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = [(f"text {number}", "good" if number % 2 else "bad") for number in range(40)]


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def dataset(tenant: Tenant) -> Dataset:
    dataset = make_dataset(tenant)
    import_file(tenant, dataset, csv_of(ROWS))
    return dataset


def order(tenant: Tenant, dataset: Dataset, kind: str, **params: Any) -> Change:
    with tenant_scope(tenant.pk):
        return services.change_start(
            actor=owner_of(tenant), dataset_id=dataset.pk, kind=kind, params=params
        )


def waiting(tenant: Tenant, dataset: Dataset, kind: str, **params: Any) -> Change:
    """Return an ordered change that no worker has taken."""
    with tenant_scope(tenant.pk):
        change: Change = Change.objects.create(
            dataset=dataset, kind=kind, params=params, actor="user:1", moved_at=clock.now()
        )
    return change


def run(change: Change) -> Change:
    services.change_run(tenant_id=change.tenant_id, change_id=change.pk)
    with tenant_scope(change.tenant_id):
        return selectors.change_get(change.pk)


def undo(change: Change) -> Change:
    with tenant_scope(change.tenant_id):
        services.change_undo(actor=owner_of(Tenant.objects.get(pk=change.tenant_id)),
                             change_id=change.pk)  # fmt: skip
    return run(change)


def hash_of(tenant: Tenant, dataset: Dataset) -> str:
    with tenant_scope(tenant.pk):
        return selectors.dataset_hash(dataset.pk)


def ids(tenant: Tenant, dataset: Dataset, count: int) -> list[str]:
    with tenant_scope(tenant.pk):
        return [str(row.pk) for row in first_rows(dataset.pk, count)]


def tallied(tenant: Tenant, dataset: Dataset) -> dict[str | None, int]:
    """Return the tallies, after comparing them with a count of the rows themselves."""
    with tenant_scope(tenant.pk):
        found = dict(Tally.objects.filter(dataset=dataset).values_list("label", "rows"))
        labels = list(Example.live.filter(dataset=dataset).values_list("label", flat=True))
    kept = {label: rows for label, rows in found.items() if rows}
    assert kept == {label: labels.count(label) for label in set(labels)}
    return kept


@pytest.mark.parametrize(
    ("kind", "params", "expected"),
    [
        ("remove", {}, {"bad": 15, "good": 15}),
        ("relabel", {"label": "fair"}, {"bad": 15, "good": 15, "fair": 10}),
        ("relabel", {}, {"bad": 15, "good": 15, None: 10}),
        ("tag", {"tag": "odd ones"}, {"bad": 20, "good": 20}),
    ],
)
def test_a_change_is_applied_counted_and_undone_to_the_former_hash(
    tenant: Tenant, dataset: Dataset, kind: str, params: dict[str, str], expected: dict[str, int]
) -> None:
    before = hash_of(tenant, dataset)
    change = run(
        order(tenant, dataset, kind, selection={"ids": ids(tenant, dataset, 10)}, **params)
    )
    assert (change.status, change.rows, change.done, change.total) == ("done", 10, 10, 10)
    assert tallied(tenant, dataset) == expected
    assert (hash_of(tenant, dataset) == before) == (kind == "tag")
    undone = undo(change)
    assert (undone.status, undone.kept) == ("undone", 0)
    assert hash_of(tenant, dataset) == before
    assert tallied(tenant, dataset) == {"bad": 20, "good": 20}
    with tenant_scope(tenant.pk):
        assert not Example.objects.exclude(tags=[]).exists()
        assert not ChangeRow.objects.exists()


def test_rows_that_a_filter_finds_are_changed_and_a_preview_says_which_first(
    tenant: Tenant, dataset: Dataset
) -> None:
    params = {"selection": {"filters": {"label": "good"}}, "label": "fine"}
    with tenant_scope(tenant.pk):
        seen = services.change_preview(dataset_id=dataset.pk, kind="relabel", params=params)
    assert len(seen) == 20
    assert {row.label for row, _edit in seen} == {"good"}
    assert [edit for _row, edit in seen] == [{"label": "fine"}] * 20
    run(order(tenant, dataset, "relabel", **params))
    assert tallied(tenant, dataset) == {"bad": 20, "fine": 20}


def test_what_somebody_changed_afterwards_is_left_alone_by_an_undo_and_counted(
    tenant: Tenant, dataset: Dataset
) -> None:
    chosen = ids(tenant, dataset, 4)
    first = run(order(tenant, dataset, "relabel", selection={"ids": chosen}, label="fair"))
    run(order(tenant, dataset, "relabel", selection={"ids": chosen[:1]}, label="awful"))
    undone = undo(first)
    assert (undone.status, undone.kept) == ("undone", 1)
    assert tallied(tenant, dataset) == {"bad": 19, "good": 20, "awful": 1}


def test_an_edit_that_repeats_another_row_removes_the_repeat(tenant: Tenant) -> None:
    dataset = make_dataset(tenant)
    import_file(tenant, dataset, csv_of([("same", "good"), ("same", "bad"), ("else", "bad")]))
    before = hash_of(tenant, dataset)
    everything = {"filters": {}}
    change = run(order(tenant, dataset, "relabel", selection=everything, label="good"))
    assert tallied(tenant, dataset) == {"good": 2}
    assert change.rows == 2
    undo(change)
    assert hash_of(tenant, dataset) == before


def test_a_removed_row_stays_removed_when_its_file_comes_again(
    tenant: Tenant, dataset: Dataset
) -> None:
    run(order(tenant, dataset, "remove", selection={"ids": ids(tenant, dataset, 5)}))
    upload = import_file(tenant, dataset, csv_of(ROWS))
    assert (upload.rows_added, upload.rows_repeated) == (0, 40)
    assert tallied(tenant, dataset) == {"bad": 17, "good": 18}


def test_a_change_stopped_half_way_leaves_nothing_of_itself(
    tenant: Tenant, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "CHUNK_ROWS", 8)
    before = hash_of(tenant, dataset)
    change = waiting(tenant, dataset, "remove", selection={"filters": {}})
    claimed = work.claim(Change, tenant_id=tenant.pk, row_id=change.pk, machine=CHANGE)
    assert claimed is not None
    kind = changes.kind_get("remove")
    with tenant_scope(tenant.pk):
        changes._apply_chunk(claimed.row, kind, kind.edit, list(Example.live.order_by("pk")[:8]))
    assert tallied(tenant, dataset) == {"bad": 16, "good": 16}
    assert undo(change).status == "undone"
    assert hash_of(tenant, dataset) == before
    with tenant_scope(tenant.pk), pytest.raises(work.WorkLost):
        claimed.keep(done=16)


def test_a_dead_workers_change_is_finished_by_the_next_without_doing_rows_twice(
    tenant: Tenant, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "CHUNK_ROWS", 8)
    change = waiting(tenant, dataset, "tag", selection={"filters": {}}, tag="seen")
    claimed = work.claim(Change, tenant_id=tenant.pk, row_id=change.pk, machine=CHANGE)
    assert claimed is not None
    with tenant_scope(tenant.pk):
        rows: Sequence[Example] = list(Example.live.order_by("pk")[:8])
        kind = changes.kind_get("tag")
        changes._apply_chunk(claimed.row, kind, kind.edit, rows)
        Change.objects.update(lease_until=None)
    assert run(change).rows == 40
    with tenant_scope(tenant.pk):
        assert ChangeRow.objects.count() == 40


def test_rows_are_not_changed_while_a_version_is_frozen_nor_frozen_while_they_change(
    tenant: Tenant, dataset: Dataset
) -> None:
    change = waiting(tenant, dataset, "remove", selection={"ids": ids(tenant, dataset, 1)})
    with pytest.raises(Conflict) as refused, tenant_scope(tenant.pk):
        services.version_freeze(actor=owner_of(tenant), dataset_id=dataset.pk)
    assert refused.value.code == "change_running"
    with pytest.raises(Conflict) as refused:
        order(tenant, dataset, "remove", selection={"ids": ids(tenant, dataset, 1)})
    assert refused.value.code == "change_running"
    run(change)
    with tenant_scope(tenant.pk):
        DatasetVersion.objects.create(
            dataset=dataset, number=1, shares=[0.8, 0.1, 0.1], moved_at=clock.now()
        )
    with pytest.raises(Conflict) as refused:
        order(tenant, dataset, "remove", selection={"ids": ids(tenant, dataset, 1)})
    assert refused.value.code == "freeze_running"


@pytest.mark.parametrize(
    ("kind", "params", "code"),
    [
        ("explode", {}, "change_unknown"),
        ("remove", {}, "selection_wrong"),
        ("remove", {"selection": {"ids": []}}, "selection_wrong"),
        ("remove", {"selection": {"ids": ["x"]}}, "selection_wrong"),
        ("relabel", {"selection": {"filters": {}}, "label": ""}, "label_wrong"),
        ("tag", {"selection": {"filters": {}}, "tag": "y" * 65}, "tag_wrong"),
    ],
)
def test_wrong_orders_are_refused_with_a_code(
    tenant: Tenant, dataset: Dataset, kind: str, params: dict[str, Any], code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        order(tenant, dataset, kind, **params)
    assert refused.value.code == code


def test_nobody_but_the_triggers_writes_a_tally(tenant: Tenant, dataset: Dataset) -> None:
    with tenant_scope(tenant.pk), connection.cursor() as cursor:
        cursor.execute(
            "select has_table_privilege('modelyard_web', 'datasets_tally', 'update'),"
            " has_table_privilege('modelyard_web', 'datasets_tally', 'select')"
        )
        assert cursor.fetchone() == (False, True)
