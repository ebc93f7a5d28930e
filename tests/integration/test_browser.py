"""The data browser: search in any language, pages by keys, filters, bulk actions with undo."""

from __future__ import annotations

import random
import re
import unicodedata
import uuid
from typing import Any

import pytest
from django.db import ProgrammingError, connection
from django.test import Client

from modelyard.core.errors import Conflict, Invalid
from tenants.models import Tenant, User
from tenants.scoping.context import tenant_scope
from tests.factories import bearer, make_key, make_tenant, make_user, owner_of, signed_in
from tests.factories_datasets import csv_of, first_rows, freeze, import_file, make_dataset
from training.datasets import finding, selectors, services
from training.datasets.finding import Place
from training.datasets.models import Change, Dataset, Example, SearchIndex, SearchRow

pytestmark = pytest.mark.django_db(transaction=True)
TEXTS = [
    ("The lamp shade was BROKEN", "damaged"),
    ("收到的花瓶碎了，包装盒没有破损", "damaged"),
    ("中国中文", "other"),
    ("国中之国", "other"),
    ("100% of it_em \\ gone", "other"),
    ("ﬁne Ｗｉｄｅ letters", "other"),
    ("カメラが壊れた", "damaged"),
    ("한국어 문장", "other"),
    ("ΟΔΥΣΣΕΥΣ came home", "other"),
]


@pytest.fixture
def user() -> User:
    return make_user()


@pytest.fixture
def tenant(user: User) -> Tenant:
    return make_tenant(user)


@pytest.fixture
def dataset(tenant: Tenant) -> Dataset:
    dataset = make_dataset(tenant)
    import_file(tenant, dataset, csv_of(TEXTS))
    return dataset


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every dataset taken for one that is searched by the index."""
    monkeypatch.setattr(finding, "FEW_ROWS", 0)


def found(dataset: Dataset, query: str, **filters: str) -> list[int]:
    """Return the lines of the file that a search finds."""
    with tenant_scope(dataset.tenant_id):
        page = finding.page_of(dataset.pk, {"q": query, **filters}, Place())
        assert page.count == len(page.rows)
        return [row.line for row in page.rows]


@pytest.mark.parametrize("by", ["index", "walk", "row"])
@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ("broken", [2]),
        ("中", [4, 5]),
        ("中国", [4]),
        ("国中", [4, 5]),
        ("国中国", []),
        ("花瓶碎", [3]),
        ("0% of it_em \\ gone", [6]),
        ("ite%m", []),
        ("item", []),
        ("fine wide", [7]),
        ("メラ", [8]),
        ("국", [9]),
        ("σευς", [10]),
    ],
)
def test_a_part_of_a_text_is_found_in_any_language(
    dataset: Dataset, query: str, lines: list[int], by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by != "row":
        monkeypatch.setattr(finding, "FEW_ROWS", 0)
    if by == "walk":
        monkeypatch.setattr(finding, "MOST_HITS", 0)
    assert found(dataset, query) == lines


def test_folding_keeps_what_is_a_part_of_what() -> None:
    chance = random.Random(5)
    letters = "ab中国文カ국 %_\\"

    def text(most: int) -> str:
        return "".join(chance.choice(letters) for _ in range(chance.randint(1, most)))

    pairs = [(text(12), text(3)) for _ in range(5_000)]
    with connection.cursor() as cursor:
        cursor.execute(
            "select t, q, datasets_fold(t) like datasets_like(q)"
            " from unnest(%s::text[], %s::text[]) as pair (t, q)",
            [[whole for whole, _ in pairs], [part for _, part in pairs]],
        )
        answers = cursor.fetchall()
    plain = [(t, q, unicodedata.normalize("NFKC", q) in t) for t, q, _ in answers]
    assert answers == plain
    assert 500 < sum(answer for _, _, answer in plain) < 4_500


def test_what_is_too_short_for_the_index_is_refused_in_a_large_dataset_and_said(
    dataset: Dataset, user: User, large: None
) -> None:
    for query in ("ab", "a b", "%", "_", "😀"):
        with pytest.raises(Conflict) as refused, tenant_scope(dataset.tenant_id):
            finding.page_of(dataset.pk, {"q": query}, Place())
        assert refused.value.code == "search_too_short"
    page = signed_in(user).get(address(dataset), {"q": "ab"}).content.decode()
    assert "Type three letters" in page


def test_search_stays_inside_the_workspace_and_the_dataset(
    dataset: Dataset, tenant: Tenant, large: None
) -> None:
    other = make_tenant()
    theirs = make_dataset(other)
    import_file(other, theirs, csv_of([("their broken lamp", "damaged")]))
    second = make_dataset(tenant)
    import_file(tenant, second, csv_of([("a second broken lamp", "damaged")]))
    assert found(dataset, "broken") == [2]
    with tenant_scope(tenant.pk), connection.cursor() as cursor:
        cursor.execute("select * from datasets_search(%s, 'broken', 10)", [theirs.pk])
        assert cursor.fetchall() == []
    with pytest.raises(ProgrammingError), connection.cursor() as cursor:
        cursor.execute("select * from datasets_search(%s, 'broken', 10)", [theirs.pk])


def test_changed_removed_and_deleted_rows_are_found_as_they_are_now(
    dataset: Dataset, tenant: Tenant, large: None
) -> None:
    with tenant_scope(tenant.pk):
        row = Example.live.get(line=2)
        Example.objects.filter(pk=row.pk).update(data={"text": "a repaired shade"})
    assert (found(dataset, "broken"), found(dataset, "repaired")) == ([], [2])
    order(tenant, dataset, "remove", selection={"ids": [str(row.pk)]})
    assert found(dataset, "repaired") == []
    with tenant_scope(tenant.pk):
        Example.objects.filter(pk=row.pk).delete()
        assert not SearchRow.objects.filter(pk=row.pk).exists()


def test_rows_that_nobody_rang_for_are_covered_by_the_sweep_and_the_page_says_how_far_it_is(
    dataset: Dataset, tenant: Tenant, user: User, large: None, settings: Any
) -> None:
    with tenant_scope(tenant.pk):
        upload = selectors.upload_list(dataset.pk).first()
        Example.objects.bulk_create(
            Example(
                dataset=dataset, upload=upload, line=number, data={"text": f"newest lamp {number}"},
                content_hash=uuid.uuid4().hex, group_hash=uuid.uuid4().hex,
            )
            for number in range(100, 103)
        )  # fmt: skip
        assert finding.coverage(dataset.pk) == finding.Coverage(9, 12)
    page = signed_in(user).get(address(dataset), {"q": "newest"}).content.decode()
    assert "Search covers 9 of 12 rows yet" in page
    settings.RUN_SWEEP_AFTER_SECONDS = -1
    services.sweep()
    assert sorted(found(dataset, "newest")) == [100, 101, 102]
    with tenant_scope(tenant.pk):
        assert finding.coverage(dataset.pk) is None
        index = SearchIndex.objects.get(dataset=dataset)
        assert (index.status, index.done, index.since) == ("done", 12, None)


def test_pages_go_both_ways_over_every_row_once(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "PAGE_ROWS", 4)
    with tenant_scope(dataset.tenant_id):
        for newest in (False, True):
            first = finding.page_of(dataset.pk, {}, Place(newest=newest))
            second = finding.page_of(dataset.pk, {}, Place(after=first.next, newest=newest))
            third = finding.page_of(dataset.pk, {}, Place(after=second.next, newest=newest))
            seen = [row.line for page in (first, second, third) for row in page.rows]
            assert seen == (list(range(10, 1, -1)) if newest else list(range(2, 11)))
            assert (first.previous, third.next) == (None, None)
            back = finding.page_of(dataset.pk, {}, Place(before=third.previous, newest=newest))
            assert back == second
            again = finding.page_of(dataset.pk, {}, Place(before=back.previous, newest=newest))
            assert again == first


def test_filters_meet_and_live_in_the_address(dataset: Dataset, tenant: Tenant, user: User) -> None:
    import_file(tenant, dataset, csv_of([("no label here", "")]), "b.csv")
    order(tenant, dataset, "tag", selection={"filters": {"label": "damaged"}}, tag="odd")
    freeze(tenant, dataset.pk)
    client = signed_in(user)
    with tenant_scope(tenant.pk):
        second = selectors.upload_list(dataset.pk).first()
        splits = [
            finding.page_of(dataset.pk, {"split": split}, Place()).count
            for split in ("train", "validation", "test")
        ]
    assert sum(splits) == 9
    assert second is not None
    for query, lines in [
        ({"label": "damaged"}, [2, 3, 8]),
        ({"tag": "odd", "q": "破"}, [3]),
        ({"tag": "even"}, []),
        ({"unlabelled": "1"}, [2]),
        ({"source": str(second.pk)}, [2]),
        ({"source": "nonsense", "split": "nonsense", "label": "other"}, [4, 5, 6, 7, 9, 10]),
    ]:
        assert lines_of(client, dataset, **query) == lines, query
    page = client.get(address(dataset), {"q": "破", "tag": "odd"}).content.decode()
    assert "<mark>破</mark>" in page
    assert 'value="破"' in page


def test_a_row_is_shown_in_full_with_its_history(
    dataset: Dataset, tenant: Tenant, user: User
) -> None:
    with tenant_scope(tenant.pk):
        row = Example.live.get(line=3)
    order(tenant, dataset, "relabel", selection={"ids": [str(row.pk)]}, label="other")
    freeze(tenant, dataset.pk)
    page = signed_in(user).get(address(dataset), {"row": str(row.pk)}).content.decode()
    side = page[page.index('id="side"') :]
    assert "收到的花瓶碎了" in side
    assert "damaged → other" in side
    assert "Version 1" in side


def test_ticked_rows_are_changed_from_the_page_and_undone_from_the_list_of_changes(
    dataset: Dataset, tenant: Tenant, user: User
) -> None:
    client = signed_in(user)
    with tenant_scope(tenant.pk):
        before = selectors.dataset_hash(dataset.pk)
        ids = [str(row.pk) for row in first_rows(dataset.pk, 2)]
    answer = client.post(
        f"{address(dataset)}changes/new", {"ids": ids, "kind": "relabel", "value": "fine"}
    )
    assert answer.status_code == 302
    assert "2 rows changed." in client.get(answer["Location"]).content.decode()
    assert lines_of(client, dataset, label="fine") == [2, 3]
    listed = client.get(f"{address(dataset)}changes").content.decode()
    assert "Set the label: fine" in listed
    undo = re.search(r'action="([^"]+/undo)"', listed)
    assert undo is not None
    client.post(undo.group(1))
    with tenant_scope(tenant.pk):
        assert selectors.dataset_hash(dataset.pk) == before
    assert "Undone" in client.get(f"{address(dataset)}changes").content.decode()


def test_all_that_match_are_shown_first_and_changed_when_confirmed(
    dataset: Dataset, tenant: Tenant, user: User
) -> None:
    client = signed_in(user)
    form = {"all": "1", "label": "damaged", "kind": "tag", "value": "odd"}
    page = client.post(f"{address(dataset)}changes/new", form).content.decode()
    assert "Apply to all that match" in page
    assert page.count('<td class="end font-medium">odd</td>') == 3
    assert lines_of(client, dataset, tag="odd") == []
    client.post(f"{address(dataset)}changes/new", {**form, "confirmed": "1"})
    assert lines_of(client, dataset, tag="odd") == [2, 3, 8]


def test_a_form_without_rows_or_label_is_refused_in_words_and_changes_nothing(
    dataset: Dataset, tenant: Tenant, user: User
) -> None:
    client = signed_in(user)
    for form in ({"kind": "remove"}, {"kind": "relabel", "all": "1"}, {"kind": "explode"},
                 {"kind": "remove", "ids": "x"}):  # fmt: skip
        answer = client.post(f"{address(dataset)}changes/new", form, follow=True)
        assert answer.status_code == 200
        assert 'data-toast="error"' in answer.content.decode(), form
    with tenant_scope(tenant.pk):
        assert not Change.objects.exists()


def test_an_unknown_filter_never_means_every_row(dataset: Dataset, tenant: Tenant) -> None:
    for filters in ({"lable": "damaged"}, {"label": 3}, {"source": "x"}):
        with pytest.raises(Invalid) as refused:
            order(tenant, dataset, "remove", selection={"filters": filters})
        assert refused.value.code == "selection_wrong"


def test_changes_by_the_api_are_ordered_listed_read_and_undone(
    dataset: Dataset, tenant: Tenant, client: Client
) -> None:
    key = bearer(make_key(tenant))
    url = f"/api/v1/datasets/{dataset.pk}/changes"
    body = {"kind": "remove", "params": {"selection": {"filters": {"q": "中国"}}}}
    answer = client.post(url, body, "application/json", **key)
    assert answer.status_code == 201, answer.content
    one = f"/api/v1/changes/{answer.json()['id']}"
    assert client.get(one, **key).json()["rows"] == 1
    assert [row["id"] for row in client.get(url, **key).json()["data"]] == [answer.json()["id"]]
    assert client.post(f"{one}/undo", **key).status_code == 200
    assert client.get(one, **key).json()["status"] == "undone"
    wrong = client.post(url, {"kind": "remove", "params": {}}, "application/json", **key)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "selection_wrong")


def address(dataset: Dataset) -> str:
    slug = Tenant.objects.get(pk=dataset.tenant_id).slug
    return f"/t/{slug}/datasets/{dataset.pk}/"


def lines_of(client: Client, dataset: Dataset, **query: str) -> list[int]:
    page = client.get(address(dataset), query).content.decode()
    return [int(line) for line in re.findall(r'aria-label="Select row (\d+)"', page)]


def order(tenant: Tenant, dataset: Dataset, kind: str, **params: Any) -> None:
    with tenant_scope(tenant.pk):
        services.change_start(
            actor=owner_of(tenant), dataset_id=dataset.pk, kind=kind, params=params
        )
