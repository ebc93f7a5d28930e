"""Health of a dataset: checks that land by themselves, fixes that can be undone."""

from __future__ import annotations

from typing import Any

import pytest

from modelyard.core import clock
from modelyard.core.errors import Conflict
from tenants.models import Tenant, User
from tenants.scoping.context import tenant_scope
from tests.factories import bearer, make_key, make_tenant, owner_of, signed_in
from tests.factories_datasets import csv_of, freeze, import_file, make_dataset
from training.datasets import checking, selectors, services
from training.datasets.models import Change, Check, Dataset, Example, Flag
from training.datasets.services import checks

pytestmark = pytest.mark.django_db(transaction=True)
LONG = "The parcel came late and the box was torn on two sides but the lamp inside works well"
ROWS = [
    ("Great phone, I use it every day", "good"),
    ("great  phone, i use it every day", ""),
    ("GREAT PHONE, I USE IT EVERY DAY", "bad"),
    (LONG, "good"),
    (f"{LONG} now", "good"),
    ("...", "bad"),
    ("It broke &amp; <b>nobody</b> answers", "bad"),
    ("The cafÃ© near the schÃ¶nes hotel is fine", "good"),
    ("Write to lena@example.org or call 138-1234-5678", "bad"),
    ("这个手机的屏幕非常清楚，电池也很耐用，我很满意", "good"),
    (" ".join(["word"] * 300), "good"),
]


@pytest.fixture(autouse=True)
def checked_by_itself(settings: Any) -> None:
    settings.CHECK_BY_ITSELF = True


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def dataset(tenant: Tenant) -> Dataset:
    dataset = make_dataset(tenant)
    import_file(tenant, dataset, csv_of(ROWS))
    return dataset


def found(tenant: Tenant, dataset: Dataset) -> dict[str, Check]:
    with tenant_scope(tenant.pk):
        return {check.kind: check for check in checking.check_list(dataset.pk)}


def texts(tenant: Tenant, dataset: Dataset) -> set[str]:
    with tenant_scope(tenant.pk):
        return {row.text for row in Example.live.filter(dataset=dataset)}


def fix(tenant: Tenant, dataset: Dataset, kind: str) -> Change:
    with tenant_scope(tenant.pk):
        change = services.change_start(
            actor=owner_of(tenant), dataset_id=dataset.pk, kind=kind, params={}
        )
    with tenant_scope(tenant.pk):
        return selectors.change_get(change.pk)


def undo(tenant: Tenant, change: Change) -> None:
    with tenant_scope(tenant.pk):
        services.change_undo(actor=owner_of(tenant), change_id=change.pk)


def hash_of(tenant: Tenant, dataset: Dataset) -> str:
    with tenant_scope(tenant.pk):
        return selectors.dataset_hash(dataset.pk)


def test_an_import_is_followed_by_every_check(tenant: Tenant, dataset: Dataset) -> None:
    got = found(tenant, dataset)
    assert {kind: check.status for kind, check in got.items()} == dict.fromkeys(
        ["labels", "lengths", "language", "repeats", "near", "conflicts", "noise", "personal",
         "leakage"], "done")  # fmt: skip
    assert got["labels"].result["labels"] == [["good", 6], ["bad", 4]]
    assert got["labels"].result["unlabelled"] == 1
    assert (got["lengths"].result["rows"], got["lengths"].result["limit"]) == (1, 256)
    assert sum(got["lengths"].result["tokens"]) == len(ROWS)
    assert got["language"].result["main"] == "en"
    assert got["language"].result["languages"]["zh"] == 1
    assert (got["repeats"].result["rows"], got["repeats"].result["groups"]) == (2, 1)
    assert (got["near"].result["rows"], got["near"].result["groups"]) == (3, 2)
    assert got["conflicts"].result == {"rows": 2, "texts": 1, "pairs": [[["bad", "good"], 1]]}
    assert got["noise"].result["kinds"] == {"empty": 1, "mojibake": 1, "html": 1}
    kinds = got["personal"].result["kinds"]
    assert {kind for kind, rows in kinds.items() if rows} == {"email", "phone"}
    assert got["leakage"].result["version"] is None


def test_a_flag_says_where_personal_data_stands_and_never_what_it_is(
    tenant: Tenant, dataset: Dataset
) -> None:
    with tenant_scope(tenant.pk):
        flag = checking.flagged(dataset.pk, "personal").select_related("example").get()
        stored = str(list(Flag.objects.values_list("data", flat=True)))
        stored += str(list(Check.objects.values_list("result", flat=True)))
    cut = [flag.example.text[start:end] for _kind, start, end in flag.data["places"]]
    assert cut == ["lena@example.org", "138-1234-5678"]
    assert not [value for value in cut if value in stored]


@pytest.mark.parametrize(
    ("kind", "rows", "gone", "new"),
    [
        ("repeats_remove", 2, {ROWS[1][0], ROWS[2][0]}, set()),
        ("near_remove", 3, {ROWS[1][0], ROWS[2][0], ROWS[4][0]}, set()),
        ("conflicts_remove", 2, {ROWS[0][0], ROWS[2][0]}, set()),
        ("empty_remove", 1, {"..."}, set()),
        ("html_strip", 1, {ROWS[6][0]}, {"It broke & nobody answers"}),
        ("mojibake_repair", 1, {ROWS[7][0]}, {"The café near the schönes hotel is fine"}),
        ("personal_mask", 1, {ROWS[8][0]}, {"Write to [EMAIL] or call [PHONE]"}),
    ],
)
def test_a_fix_is_previewed_applied_checked_again_and_undone_to_the_former_hash(
    tenant: Tenant, dataset: Dataset, kind: str, rows: int, gone: set[str], new: set[str]
) -> None:
    before, all_texts = hash_of(tenant, dataset), texts(tenant, dataset)
    with tenant_scope(tenant.pk):
        preview = services.change_preview(dataset_id=dataset.pk, kind=kind, params={})
    assert {row.text for row, _edit in preview} == gone
    change = fix(tenant, dataset, kind)
    assert (change.status, change.rows) == ("done", rows)
    assert texts(tenant, dataset) == (all_texts - gone) | new
    asked = next(one for one, fixes in services.FIXES.items() if kind in fixes)
    result = found(tenant, dataset)[asked].result
    assert result["rows"] == (2 if asked == "noise" else 0)
    undo(tenant, change)
    assert hash_of(tenant, dataset) == before
    assert found(tenant, dataset)[asked].result["rows"] > 0


def test_conflicting_rows_are_tagged_for_labelling(tenant: Tenant, dataset: Dataset) -> None:
    change = fix(tenant, dataset, "conflicts_tag")
    with tenant_scope(tenant.pk):
        tagged = Example.live.filter(tags__contains=["conflict"])
        assert {row.text for row in tagged} == {ROWS[0][0], ROWS[2][0]}
    undo(tenant, change)
    with tenant_scope(tenant.pk):
        assert not Example.objects.exclude(tags=[]).exists()


def test_a_fix_by_a_check_that_saw_other_rows_is_refused(tenant: Tenant, dataset: Dataset) -> None:
    """Of two repeats one is removed by hand; the old flag would now remove the other."""
    with tenant_scope(tenant.pk):
        kept = checking.flagged(dataset.pk, "repeats").get(keep=True)
        Check.objects.filter(kind="repeats").update(asked_at=clock.now())
        mark = checking.rows_mark(dataset.pk)
        Example.objects.filter(pk=kept.example_id).update(removed_in=kept.pk)
        assert checking.rows_mark(dataset.pk) != mark
    with pytest.raises(Conflict) as refused:
        fix(tenant, dataset, "repeats_remove")
    assert refused.value.code == "check_stale"


def test_checks_that_wait_are_cancelled_by_page_and_api_and_can_be_run_again(
    tenant: Tenant, dataset: Dataset
) -> None:
    client = signed_in(User.objects.get(memberships__tenant=tenant))
    for path, method in (
        (f"/t/{tenant.slug}/datasets/{dataset.pk}/health/cancel", "post"),
        (f"/t/{tenant.slug}/api/v1/datasets/{dataset.pk}/checks", "delete"),
    ):
        with tenant_scope(tenant.pk):
            Check.objects.filter(kind="near").update(status="waiting")
        assert getattr(client, method)(path).status_code < 400
        by_kind = found(tenant, dataset)
        assert by_kind["near"].status == "cancelled"
        assert {check.status for kind, check in by_kind.items() if kind != "near"} == {"done"}
        with tenant_scope(tenant.pk):
            services.checks_start(actor=owner_of(tenant), dataset_id=dataset.pk, kinds=["near"])
        assert found(tenant, dataset)["near"].status == "done"


def test_a_check_and_a_change_do_not_run_at_once(tenant: Tenant, dataset: Dataset) -> None:
    with tenant_scope(tenant.pk):
        Change.objects.create(
            dataset=dataset, kind="remove", actor="user:1", moved_at=clock.now(),
            params={"selection": {"filters": {}}},
        )  # fmt: skip
        check = Check.objects.get(kind="near")
        Check.objects.filter(pk=check.pk).update(status="waiting")
    checks.check_run(tenant_id=tenant.pk, check_id=check.pk)
    assert found(tenant, dataset)["near"].status == "waiting"
    with tenant_scope(tenant.pk), pytest.raises(Conflict) as refused:
        services.checks_start(actor=owner_of(tenant), dataset_id=dataset.pk)
    assert refused.value.code == "change_running"


def test_what_was_asked_for_during_a_check_is_checked_once_more(
    tenant: Tenant, dataset: Dataset
) -> None:
    with tenant_scope(tenant.pk):
        check = Check.objects.get(kind="noise")
        Check.objects.filter(pk=check.pk).update(
            status="running", lease_until=None, started_at=clock.now(), result={}
        )
        services.checks_start(actor=owner_of(tenant), dataset_id=dataset.pk, kinds=["noise"])
    checks.check_run(tenant_id=tenant.pk, check_id=check.pk)
    again = found(tenant, dataset)["noise"]
    assert (again.status, again.result["rows"]) == ("done", 3)
    assert again.started_at is not None
    assert again.started_at > again.asked_at


def test_near_texts_in_two_splits_of_the_newest_version_are_found(tenant: Tenant) -> None:
    dataset = make_dataset(tenant)
    import_file(
        tenant,
        dataset,
        csv_of([(f"Row {n} of its own, {n * 7919}", "xy"[n % 2]) for n in range(60)]),
    )
    version = freeze(tenant, dataset.pk)
    with tenant_scope(tenant.pk):
        train = version.version_rows.filter(split="train").select_related("example").first()
        test = version.version_rows.filter(split="test").select_related("example").first()
        for place, text in ((train, LONG), (test, f"{LONG}!")):
            Example.objects.filter(pk=place.example_id).update(data={"text": text})
        services.checks_start(actor=owner_of(tenant), dataset_id=dataset.pk, kinds=["leakage"])
    result = found(tenant, dataset)["leakage"].result
    assert result == {"rows": 2, "version": 1, "splits": [[["test", "train"], 2]]}


def test_the_api_lists_checks_and_runs_them(
    tenant: Tenant, dataset: Dataset, client: object
) -> None:
    del client
    from django.test import Client

    api, door = Client(), bearer(make_key(tenant))
    url = f"/api/v1/datasets/{dataset.pk}/checks"
    listed = api.get(url, **door).json()["data"]
    assert {one["kind"]: one["stale"] for one in listed}["repeats"] is False
    body = {"kinds": ["repeats"]}
    asked = api.post(url, body, content_type="application/json", **door)
    assert asked.status_code == 202
    wrong = api.post(url, {"kinds": ["odd"]}, content_type="application/json", **door)
    assert wrong.status_code == 422
