"""Rows that a health check points at: looked at, listed, chosen for a change, group by group."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from modelyard.core import clock
from modelyard.core.errors import Conflict, Invalid
from tenants.models import Tenant, User
from tenants.scoping.context import tenant_scope
from tests.factories import bearer, make_key, make_tenant, make_user, owner_of, signed_in
from tests.factories_datasets import csv_of, first_rows, import_file, make_dataset
from training.datasets import checking, services
from training.datasets.models import Change, Check, Dataset, Example, Flag

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = [
    ("The lamp was broken", "damaged"),
    ("the lamp  was BROKEN", "other"),
    ("Write to lena@example.org about the lamp", "other"),
    ("Nothing is wrong with this lamp", "fine"),
    ("Where is my parcel, please", "late"),
    ("where is my PARCEL, please", "late"),
    ("Call 138-1234-5678 about the parcel", "late"),
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
    import_file(tenant, dataset, csv_of(ROWS))
    look(dataset)
    return dataset


def look(dataset: Dataset) -> None:
    """Have the rows checked."""
    with tenant_scope(dataset.tenant_id):
        kinds = ["repeats", "conflicts", "personal"]
        services.checks_start(
            actor=owner_of(Tenant.objects.get(pk=dataset.tenant_id)),
            dataset_id=dataset.pk,
            kinds=kinds,
        )


def shown(user: User, dataset: Dataset, **query: str) -> tuple[list[int], str]:
    """Return the lines on the rows page, and the page."""
    slug = Tenant.objects.get(pk=dataset.tenant_id).slug
    page = signed_in(user).get(f"/t/{slug}/datasets/{dataset.pk}/", query).content.decode()
    return [int(line) for line in re.findall(r'aria-label="Select row (\d+)"', page)], page


def group_of(dataset: Dataset, line: int, kind: str = "repeats") -> str:
    with tenant_scope(dataset.tenant_id):
        return str(checking.flagged(dataset.pk, kind).get(example__line=line).group)


def test_health_leads_to_the_rows_of_a_check_and_they_meet_the_other_filters(
    user: User, tenant: Tenant, dataset: Dataset
) -> None:
    health = signed_in(user).get(f"/t/{tenant.slug}/datasets/{dataset.pk}/health").content.decode()
    looks = re.findall(rf'href="/t/{tenant.slug}/datasets/{dataset.pk}/\?flagged=(\w+)"', health)
    assert set(looks) >= {"repeats", "conflicts", "personal"}
    assert "labels" not in looks
    both = {"flagged": "repeats", "group": group_of(dataset, 6)}
    for query, lines in [
        ({"flagged": "personal"}, [4, 8]),
        ({"flagged": "repeats"}, [2, 3, 6, 7]),
        (both, [6, 7]),
        ({"flagged": "repeats", "label": "late"}, [6, 7]),
        ({"flagged": "repeats", "q": "broken"}, [2, 3]),
        ({"flagged": "personal", "sort": "newest"}, [8, 4]),
        ({"flagged": "leakage"}, []),
        ({"flagged": "labels", "group": "x"}, [2, 3, 4, 5, 6, 7, 8]),
    ]:
        assert shown(user, dataset, **query)[0] == lines, query
    page = shown(user, dataset, flagged="repeats")[1]
    assert '<option value="repeats" selected>Exact repeats</option>' in page
    assert page.count(f"flagged=repeats&amp;group={both['group']}") == 2
    assert page.count(">stays<") == 2
    with tenant_scope(tenant.pk):
        row = first_rows(dataset.pk)[2]
    side = shown(user, dataset, row=str(row.pk))[1]
    assert f'datasets/{dataset.pk}/?flagged=personal">Personal data</a>' in side


def test_rows_of_an_old_or_missing_answer_are_said_to_be_so_and_never_changed_by_it(
    user: User, tenant: Tenant, dataset: Dataset
) -> None:
    url = f"/api/v1/datasets/{dataset.pk}/examples?flagged=personal"
    door, client = bearer(make_key(tenant)), Client()
    import_file(tenant, dataset, csv_of([("Write to a@example.org", "other")]), "b.csv")
    lines, page = shown(user, dataset, flagged="personal")
    assert lines == [4, 8]
    assert "Rows changed since: this is what was found before." in page
    assert client.get(url, **door).json()["code"] == "check_stale"
    with pytest.raises(Conflict) as refused:
        remove(tenant, dataset, flagged="personal")
    assert refused.value.code == "check_stale"
    with tenant_scope(tenant.pk):
        Check.objects.filter(kind="personal").update(status="running", started_at=clock.now())
    assert "rows that it points at may be missing" in shown(user, dataset, flagged="personal")[1]
    with tenant_scope(tenant.pk):
        Check.objects.all().delete()
    assert "Not checked yet." in shown(user, dataset, flagged="personal")[1]
    assert client.get(url, **door).json()["code"] == "check_not_done"
    with tenant_scope(tenant.pk):
        assert not Change.objects.exists()


def remove(tenant: Tenant, dataset: Dataset, **filters: str) -> Change:
    with tenant_scope(tenant.pk):
        return services.change_start(
            actor=owner_of(tenant), dataset_id=dataset.pk, kind="remove",
            params={"selection": {"filters": filters}},
        )  # fmt: skip


def test_all_rows_of_a_check_or_of_one_group_are_changed_and_no_other(
    tenant: Tenant, dataset: Dataset
) -> None:
    for wrong in ({"flagged": "labels"}, {"flagged": "x"}, {"group": group_of(dataset, 6)},
                  {"flagged": "repeats", "group": "x"}):  # fmt: skip
        with pytest.raises(Invalid) as refused:
            remove(tenant, dataset, **wrong)
        assert refused.value.code == "selection_wrong", wrong
    remove(tenant, dataset, flagged="repeats", group=group_of(dataset, 6))
    assert live(dataset) == [2, 3, 4, 5, 8]
    look(dataset)
    change = remove(tenant, dataset, flagged="personal")
    assert live(dataset) == [2, 3, 5]
    with tenant_scope(tenant.pk):
        services.change_undo(actor=owner_of(tenant), change_id=change.pk)
    assert live(dataset) == [2, 3, 4, 5, 8]


def live(dataset: Dataset) -> list[int]:
    with tenant_scope(dataset.tenant_id):
        rows = Example.live.filter(dataset=dataset).order_by("line")
        return list(rows.values_list("line", flat=True))


def test_the_form_of_the_page_changes_what_its_filters_mean(
    user: User, tenant: Tenant, dataset: Dataset
) -> None:
    client, url = signed_in(user), f"/t/{tenant.slug}/datasets/{dataset.pk}/changes/new"
    form = {"all": "1", "flagged": "repeats", "group": group_of(dataset, 2), "kind": "tag",
            "value": "twin"}  # fmt: skip
    page = client.post(url, form).content.decode()
    assert page.count('<td class="end font-medium">twin</td>') == 2
    again = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    client.post(url, {**again, "kind": "tag"})
    assert shown(user, dataset, tag="twin")[0] == [2, 3]


def test_the_api_lists_by_every_filter_and_pages_by_keys(tenant: Tenant, dataset: Dataset) -> None:
    door, client = bearer(make_key(tenant)), Client()
    url = f"/api/v1/datasets/{dataset.pk}/examples"
    with tenant_scope(tenant.pk):
        upload = str(first_rows(dataset.pk, 1)[0].upload_id)

    def lines(**query: str) -> list[int]:
        answer = client.get(url, query, **door)
        assert answer.status_code == 200, answer.content
        return [row["line"] for row in answer.json()["data"]]

    for query, expected in [
        ({}, [8, 7, 6, 5, 4, 3, 2]),
        ({"flagged": "repeats"}, [7, 6, 3, 2]),
        ({"flagged": "repeats", "group": group_of(dataset, 2)}, [3, 2]),
        ({"flagged": "repeats", "label": "damaged", "q": "lamp"}, [2]),
        ({"unlabelled": "1"}, []),
        ({"source": upload, "label": "fine"}, [5]),
        ({"tag": "x"}, []),
        ({"split": "test"}, []),
    ]:
        assert lines(**query) == expected, query
    found, address = [], f"{url}?flagged=repeats&limit=1"
    while address:
        page = client.get(address, **door).json()
        found += [row["line"] for row in page["data"]]
        address = page["next"]
    assert found == [7, 6, 3, 2]
    for wrong in ("flagged=x", "flaged=near", "group=x&flagged=near", "source=x", "split=x",
                  f"group={upload}", "unlabelled=yes", "label="):  # fmt: skip
        answer = client.get(f"{url}?{wrong}", **door)
        assert answer.status_code in {400, 422}, (wrong, answer.content)


def test_a_check_points_at_a_row_once(tenant: Tenant, dataset: Dataset) -> None:
    with tenant_scope(tenant.pk):
        flags = Flag.objects.values_list("source", "example")
        assert len(flags) == len(set(flags)) > 5
