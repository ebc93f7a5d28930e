"""Freezing: what never crosses splits, augmentation on train only, stopping, deleting."""

from __future__ import annotations

import io
import random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelyard.core import clock, storage
from modelyard.core.errors import Conflict, Invalid
from tenants.models import AuditEvent, Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import make_tenant, owner_of
from tests.factories_datasets import csv_of, freeze, import_file, make_dataset
from training.datasets import lineage, proof, selectors, services
from training.datasets.models import Dataset, DatasetVersion, Example, VersionRow, WordList
from training.datasets.services import freezing
from training.datasets.services.sweeping import sweep
from training.jobs.models import Run

pytestmark = pytest.mark.django_db(transaction=True)
NOUNS = [
    "printer",
    "invoice",
    "parcel",
    "refund",
    "password",
    "garden",
    "bicycle",
    "kettle",
    "window",
    "ticket",
]
VERBS = [
    "arrived",
    "broke",
    "vanished",
    "exploded",
    "melted",
    "worked",
    "failed",
    "stopped",
    "jammed",
    "rusted",
]
PLACES = [
    "kitchen",
    "office",
    "harbour",
    "station",
    "library",
    "cellar",
    "attic",
    "airport",
    "stadium",
    "museum",
]


def sentence(number: int) -> str:
    chance = random.Random(number)
    parts = [
        f"{chance.choice(NOUNS)} {chance.choice(VERBS)} near {chance.choice(PLACES)}"
        for _part in range(4)
    ]
    return f"{'; '.join(parts)} {chance.randrange(10**6)}"


ROWS = [(sentence(number), "good" if number % 2 else "bad") for number in range(80)]


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


def filled(tenant: Tenant, rows: Any = ROWS) -> Dataset:
    dataset = make_dataset(tenant)
    import_file(tenant, dataset, csv_of(rows))
    return dataset


def rows_of(version: DatasetVersion) -> list[dict[str, Any]]:
    return pq.read_table(io.BytesIO(storage.get_bytes(version.rows_key))).to_pylist()


def test_no_planted_near_duplicate_crosses_a_split_and_exact_grouping_shows_that_some_would(
    tenant: Tenant,
) -> None:
    twins = [(f"{text}!", label) for text, label in ROWS[:30]]
    dataset = filled(tenant, [*ROWS, *twins])
    version = freeze(tenant, dataset.pk, grouping={"by": "near"})
    assert (version.status, version.error_code) == ("frozen", "")
    split = {row["text"]: row["split"] for row in rows_of(version)}
    assert [text for text, _label in ROWS[:30] if split[text] != split[f"{text}!"]] == []
    groups = {row["text"]: row["group"] for row in rows_of(version)}
    assert len(set(groups.values())) == 80
    assert version.split_counts["test"] >= 8
    loose = {row["text"]: row["split"] for row in rows_of(freeze(tenant, dataset.pk))}
    assert any(loose[text] != loose[f"{text}!"] for text, _label in ROWS[:30])


def test_rows_of_one_customer_never_cross_when_grouped_by_that_column(tenant: Tenant) -> None:
    dataset = filled(tenant)
    with tenant_scope(tenant.pk):
        for number, row in enumerate(Example.live.order_by("content_hash")):
            fields = {"customer": f"c{number % 20}"} if number < 60 else {}
            Example.objects.filter(pk=row.pk).update(data={"text": row.text, "fields": fields})
    version = freeze(tenant, dataset.pk, grouping={"by": "field", "field": "customer"})
    assert version.status == "frozen"
    seen: dict[str, set[str]] = {}
    for row in rows_of(version):
        if row["fields"]:
            seen.setdefault(row["fields"], set()).add(row["split"])
    assert len(seen) == 20
    assert all(len(splits) == 1 for splits in seen.values())


def test_rows_that_are_all_alike_are_refused_with_a_sentence_and_leave_nothing(
    tenant: Tenant,
) -> None:
    same = [(f"{ROWS[0][0]}{'!' * n}", "good") for n in range(20)]
    other = [(f"{ROWS[1][0]}{'!' * n}", "bad") for n in range(20)]
    version = freeze(tenant, filled(tenant, [*same, *other]).pk, grouping={"by": "near"})
    assert (version.status, version.error_code) == ("failed", "too_few_groups")
    assert version.error_data == {"rows": 40, "groups": 2}
    with tenant_scope(tenant.pk):
        assert not VersionRow.objects.exists()


def test_a_file_in_which_a_group_crosses_is_not_frozen(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    path = tmp_path / "rows.parquet"
    base = dict.fromkeys(proof.SCHEMA.names)
    good = [
        {**base, "id": "1", "text": "a", "split": "train", "group": "g"},
        {**base, "id": "2", "text": "b", "split": "test", "group": "h"},
        {**base, "id": "1~1", "text": "c", "split": "train", "group": "g", "parent": "1"},
    ]
    pq.write_table(pa.Table.from_pylist(good, schema=proof.SCHEMA), path)
    proof.prove(path)
    for fault, code in (
        ({"group": "g"}, "group_crosses"),
        ({"text": "c"}, "augmented_wrong"),
        ({"parent": "1", "group": "h"}, "augmented_wrong"),
    ):
        broken = [good[0], {**good[1], **fault}, good[2]]
        pq.write_table(pa.Table.from_pylist(broken, schema=proof.SCHEMA), path)
        with pytest.raises(proof.FreezeRefused) as refused:
            proof.prove(path)
        assert refused.value.code == code


def test_augmented_rows_are_in_train_only_name_their_parent_and_repeat_by_seed(
    tenant: Tenant,
) -> None:
    dataset = filled(tenant)
    with tenant_scope(tenant.pk):
        WordList.objects.create(dataset=dataset, entries={"near": ["close to", "by"]})
    order = {"operations": ["dictionary", "swap", "typos"], "per_row": 2}
    version = freeze(tenant, dataset.pk, augmentation=order)
    rows = rows_of(version)
    real = {row["id"]: row for row in rows if row["parent"] is None}
    made = [row for row in rows if row["parent"] is not None]
    assert version.status == "frozen"
    assert (version.rows, len(real)) == (80, 80)
    assert version.augmented_rows == len(made) > 100
    assert version.split_counts == {"train": 64, "validation": 8, "test": 8}
    for row in made:
        parent = real[row["parent"]]
        assert row["split"] == parent["split"] == "train"
        assert (row["label"], row["group"]) == (parent["label"], parent["group"])
    assert {row["text"] for row in made}.isdisjoint({row["text"] for row in real.values()})
    again = freeze(tenant, dataset.pk, augmentation=order)
    plain = freeze(tenant, dataset.pk)
    assert again.content_hash == version.content_hash != plain.content_hash
    with tenant_scope(tenant.pk):
        assert VersionRow.objects.filter(version=version).count() == 80


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"grouping": {"by": "moon"}}, "grouping_wrong"),
        ({"grouping": {"by": "field"}}, "grouping_wrong"),
        ({"augmentation": {"operations": ["dictionary"]}}, "words_missing"),
        ({"augmentation": {"operations": ["swap"], "per_row": 9}}, "per_row_wrong"),
    ],
)
def test_wrong_options_are_refused_with_a_sentence(
    tenant: Tenant, options: dict[str, Any], code: str
) -> None:
    dataset = filled(tenant)
    with pytest.raises(Invalid) as refused:
        freeze(tenant, dataset.pk, **options)
    assert refused.value.code == code
    with tenant_scope(tenant.pk):
        assert not DatasetVersion.objects.exists()


def freezing_version(tenant: Tenant, dataset: Dataset) -> DatasetVersion:
    """Return a version that no worker has taken yet."""
    with tenant_scope(tenant.pk):
        version: DatasetVersion = DatasetVersion.objects.create(
            dataset=dataset, number=1, shares=[0.8, 0.1, 0.1], moved_at=clock.now(),
            grouping={"by": "exact"},
        )  # fmt: skip
    return version


def test_a_freeze_that_is_stopped_half_way_leaves_no_row_and_no_file(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = freezing_version(tenant, filled(tenant))
    prove = freezing.prove

    def stop(path: Any) -> None:
        prove(path)
        with tenant_scope(tenant.pk):
            services.version_cancel(actor=owner_of(tenant), version_id=version.pk)

    monkeypatch.setattr(freezing, "prove", stop)
    freezing.freeze_run(tenant_id=tenant.pk, version_id=version.pk)
    with tenant_scope(tenant.pk):
        version = selectors.version_row(version.pk)
        assert (version.status, version.done, version.total) == ("cancelled", 160, 160)
        assert not VersionRow.objects.exists()
        with pytest.raises(Conflict):
            services.version_cancel(actor=owner_of(tenant), version_id=version.pk)
    assert list(storage.list_keys(storage.tenant_key(tenant.pk, "datasets", str(version.pk)))) == []


def test_rows_that_come_while_it_freezes_make_it_fail_rather_than_lie(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = filled(tenant)
    version = freezing_version(tenant, dataset)
    plan = freezing._Gathering.plan

    def meanwhile(self: Any) -> Any:
        made = plan(self)
        with tenant_scope(tenant.pk):
            Example.live.order_by("pk").first().delete()
        return made

    monkeypatch.setattr(freezing._Gathering, "plan", meanwhile)
    freezing.freeze_run(tenant_id=tenant.pk, version_id=version.pk)
    with tenant_scope(tenant.pk):
        version = selectors.version_row(version.pk)
        assert (version.status, version.error_code) == ("failed", "rows_moved")
        assert not VersionRow.objects.exists()


def test_deleting_takes_rows_and_files_and_leaves_hash_and_counts(tenant: Tenant) -> None:
    version = freeze(tenant, filled(tenant).pk)
    actor = owner_of(tenant)
    with tenant_scope(tenant.pk), pytest.raises(Invalid) as refused:
        services.version_delete(actor=actor, version_id=version.pk, name="v1")
    assert refused.value.code == "name_differs"
    with tenant_scope(tenant.pk):
        services.version_delete(actor=actor, version_id=version.pk, name=str(version))
    with tenant_scope(tenant.pk):
        gone = selectors.version_row(version.pk)
        assert (gone.status, gone.rows, gone.rows_key) == ("deleted", 80, "")
        assert gone.content_hash == version.content_hash
        assert not VersionRow.objects.exists()
        assert AuditEvent.objects.filter(action="version.deleted").count() == 1
        with pytest.raises(Conflict):
            selectors.version_get(version.pk)
    assert storage.facts(version.rows_key) is None


def test_a_deletion_whose_worker_died_is_done_by_the_sweeper(tenant: Tenant) -> None:
    version = freeze(tenant, filled(tenant).pk)
    with tenant_scope(tenant.pk):
        DatasetVersion.objects.update(status="deleting", moved_at=clock.now().replace(year=2020))
    assert sweep() >= 1
    with tenant_scope(tenant.pk):
        assert selectors.version_row(version.pk).status == "deleted"


def test_a_version_that_a_run_waits_for_is_not_deleted_and_its_uses_are_listed(
    tenant: Tenant,
) -> None:
    version = freeze(tenant, filled(tenant).pk)
    with tenant_scope(tenant.pk):
        run = Run.objects.create(
            number=1, actor_kind="user", actor_id="1", dataset_version=version,
            model_name="moods", spec={}, status="queued", queued_at=clock.now(),
        )  # fmt: skip
        (use,) = lineage.version_uses(version.pk)
        assert (use.kind, use.title, use.busy) == ("run", "moods #1", True)
        with pytest.raises(Conflict) as refused:
            services.version_delete(
                actor=owner_of(tenant), version_id=version.pk, name=str(version)
            )
        assert refused.value.code == "version_in_use"
        Run.objects.filter(pk=run.pk).update(status="failed")
        services.version_delete(actor=owner_of(tenant), version_id=version.pk, name=str(version))


def test_a_row_says_which_versions_have_it_in_which_split(tenant: Tenant) -> None:
    dataset = filled(tenant)
    versions = [freeze(tenant, dataset.pk, seed) for seed in range(2)]
    row = rows_of(versions[0])[0]
    with tenant_scope(tenant.pk):
        example, placings = lineage.example_placings(row["id"])
    assert example.text == row["text"]
    assert [(one.version.number, one.split) for one in placings] == [
        (number + 1, next(r["split"] for r in rows_of(versions[number]) if r["id"] == row["id"]))
        for number in (1, 0)
    ]
