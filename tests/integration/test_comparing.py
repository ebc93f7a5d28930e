"""Comparing versions from their files, and restoring one as a change that can be undone."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from modelyard.core import storage
from modelyard.core.errors import Invalid
from tenants.models import Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import make_tenant, owner_of
from tests.factories_datasets import csv_of, freeze, import_file, make_dataset
from training.datasets import selectors, services
from training.datasets.hashes import content_hash, group_hash
from training.datasets.models import (
    Change,
    Comparison,
    ComparisonRow,
    Dataset,
    DatasetVersion,
    Example,
    VersionRow,
)

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


def set_row(tenant: Tenant, old: str, text: str, label: str) -> None:
    """Give a row another text and label, as labelling and fixes do."""
    with tenant_scope(tenant.pk):
        row = Example.objects.get(data__text=old)
        Example.objects.filter(pk=row.pk).update(
            data={"text": text}, label=label, content_hash=content_hash(text, label),
            group_hash=group_hash(text),
        )  # fmt: skip


def remove(tenant: Tenant, dataset: Dataset, text: str) -> None:
    with tenant_scope(tenant.pk):
        key = str(Example.live.get(data__text=text).pk)
        services.change_start(
            actor=owner_of(tenant), dataset_id=dataset.pk, kind="remove",
            params={"selection": {"ids": [key]}},
        )  # fmt: skip


def changed(tenant: Tenant, dataset: Dataset) -> None:
    """Remove one row, relabel two, reword one, add three."""
    remove(tenant, dataset, "text 0")
    set_row(tenant, "text 1", "text 1", "bad")
    set_row(tenant, "text 3", "text 3", "bad")
    set_row(tenant, "text 5", "text five", "good")
    import_file(tenant, dataset, csv_of([(f"new {n}", "good") for n in range(3)]))


def compared(
    tenant: Tenant, before: DatasetVersion, after: DatasetVersion | None = None
) -> Comparison:
    with tenant_scope(tenant.pk):
        ordered = services.comparison_start(
            actor=owner_of(tenant), before_id=before.pk, after_id=after.pk if after else None
        )
    with tenant_scope(tenant.pk):
        return selectors.comparison_get(ordered.pk)


@pytest.mark.parametrize("today", [False, True])
def test_what_was_added_removed_relabelled_and_reworded_is_counted_listed_and_downloaded(
    tenant: Tenant, dataset: Dataset, today: bool
) -> None:
    first = freeze(tenant, dataset.pk)
    changed(tenant, dataset)
    second = None if today else freeze(tenant, dataset.pk)
    if second is not None:  # The files are compared: what happens now doesn't matter.
        set_row(tenant, "text 7", "text seven", "bad")
    done = compared(tenant, first, second)
    expected = {"added": 3, "removed": 1, "relabelled": 2, "reworded": 1}
    assert done.status == "done"
    assert {kind: done.counts[kind] for kind in expected} == expected
    assert done.counts["moved"] == 0 or not today
    with tenant_scope(tenant.pk):
        rows = list(ComparisonRow.objects.filter(comparison=done).order_by("kind", "seq"))
        assert [row.kind for row in rows] == sorted(
            k for k, n in expected.items() for _ in range(n)
        )
        reworded = next(row for row in rows if row.kind == "reworded")
        assert (reworded.before["text"], reworded.after["text"]) == ("text 5", "text five")
    lines = storage.get_bytes(f"{done.files_key}/rows.jsonl").decode().splitlines()
    assert len([json.loads(line) for line in lines]) == 7
    table = storage.get_bytes(f"{done.files_key}/rows.csv").decode("utf-8-sig")
    cells = list(csv.DictReader(io.StringIO(table)))
    assert {row["after_text"] for row in cells if row["kind"] == "added"} == {
        "new 0", "new 1", "new 2",
    }  # fmt: skip


def test_two_frozen_versions_are_compared_once_and_never_with_themselves(
    tenant: Tenant, dataset: Dataset
) -> None:
    first, second = freeze(tenant, dataset.pk), freeze(tenant, dataset.pk, 1)
    done = compared(tenant, first, second)
    assert compared(tenant, first, second).pk == done.pk
    assert done.counts["moved"] > 0
    with pytest.raises(Invalid) as refused:
        compared(tenant, first, first)
    assert refused.value.code == "versions_same"
    other = make_dataset(tenant)
    import_file(tenant, other, csv_of(ROWS))
    with pytest.raises(Invalid) as refused:
        compared(tenant, first, freeze(tenant, other.pk))
    assert refused.value.code == "versions_differ"


def test_deleting_a_version_takes_its_comparisons_with_it(tenant: Tenant, dataset: Dataset) -> None:
    first, second = freeze(tenant, dataset.pk), freeze(tenant, dataset.pk, 1)
    done = compared(tenant, first, second)
    with tenant_scope(tenant.pk):
        services.version_delete(actor=owner_of(tenant), version_id=second.pk, name=str(second))
    with tenant_scope(tenant.pk):
        assert not Comparison.objects.exists()
    assert storage.facts(f"{done.files_key}/rows.csv") is None


def restored(tenant: Tenant, version: DatasetVersion) -> Change:
    with tenant_scope(tenant.pk):
        change = services.version_restore(actor=owner_of(tenant), version_id=version.pk)
    with tenant_scope(tenant.pk):
        return selectors.change_get(change.pk)


def hash_of(tenant: Tenant, dataset: Dataset) -> str:
    with tenant_scope(tenant.pk):
        return selectors.dataset_hash(dataset.pk)


def test_restoring_gives_the_version_again_and_undoing_that_gives_what_was_there(
    tenant: Tenant, dataset: Dataset
) -> None:
    import_file(tenant, dataset, csv_of([("not labelled yet", "")]))
    frozen, whole = freeze(tenant, dataset.pk), hash_of(tenant, dataset)
    changed(tenant, dataset)
    before = hash_of(tenant, dataset)
    change = restored(tenant, frozen)
    assert (change.status, change.rows, change.error_code) == ("done", 7, "")
    assert hash_of(tenant, dataset) == whole != before
    assert freeze(tenant, dataset.pk).content_hash == frozen.content_hash
    assert not any(compared(tenant, frozen).counts.values())
    with tenant_scope(tenant.pk):
        services.change_undo(actor=owner_of(tenant), change_id=change.pk)
    assert hash_of(tenant, dataset) == before


Moves = list[tuple[str, str, str]]


@pytest.mark.parametrize(
    "moves",
    [
        # Two rows changed places (over a third text, since no two rows may be the same).
        [("text 1", "away", "good"), ("text 3", "text 1", "good"), ("away", "text 3", "good")],
        # One took the other's place, which went on.
        [("text 1", "gone on", "good"), ("text 3", "text 1", "good")],
        [("text 3", "gone on", "good"), ("text 1", "text 3", "good")],
        # A ring of three, one of them out of the version since.
        [("text 1", "a", "good"), ("text 3", "text 1", "good"), ("text 5", "text 3", "good")],
    ],
)
def test_restoring_sorts_out_rows_that_took_each_others_content(
    tenant: Tenant, dataset: Dataset, moves: Moves
) -> None:
    frozen, whole = freeze(tenant, dataset.pk), hash_of(tenant, dataset)
    for move in moves:
        set_row(tenant, *move)
    before = hash_of(tenant, dataset)
    change = restored(tenant, frozen)
    assert (change.status, change.error_code) == ("done", "")
    assert hash_of(tenant, dataset) == whole
    with tenant_scope(tenant.pk):
        services.change_undo(actor=owner_of(tenant), change_id=change.pk)
    assert hash_of(tenant, dataset) == before


def test_a_version_whose_rows_are_gone_for_good_is_not_half_restored(
    tenant: Tenant, dataset: Dataset
) -> None:
    frozen = freeze(tenant, dataset.pk)
    remove(tenant, dataset, "text 0")
    with tenant_scope(tenant.pk):
        lost = Example.objects.get(data__text="text 9")
        VersionRow.objects.filter(example=lost).delete()  # Else the database refuses.
        lost.delete()
    before = hash_of(tenant, dataset)
    change: Any = restored(tenant, frozen)
    assert (change.status, change.error_code) == ("failed", "rows_gone")
    assert change.error_data == {"rows": 1}
    assert hash_of(tenant, dataset) == before
