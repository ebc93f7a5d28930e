"""Receiving a file by the API: parts straight to the store, resumed, limited, swept."""

from __future__ import annotations

import datetime as dt
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest
from django.test import Client

from modelyard.core import clock, ids, storage
from modelyard.core.errors import QuotaExceeded
from tenants.models import Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import bearer, make_key, make_tenant, owner_of
from tests.factories_datasets import csv_of, make_dataset
from training.datasets import services
from training.datasets.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)

MIB = 1024**2
PRINT = "a" * 64


class Sender:
    """A customer's program with a key."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.client = Client()
        self.key = bearer(make_key(tenant))
        self.dataset = make_dataset(tenant)

    def post(self, path: str, body: dict[str, Any] | None = None, status: int = 200) -> Any:
        answer = self.client.post(
            f"/api/v1/{path}", body or {}, content_type="application/json", **self.key
        )
        assert answer.status_code == status, answer.content
        return answer.json()

    def get(self, path: str, status: int = 200) -> Any:
        answer = self.client.get(f"/api/v1/{path}", **self.key)
        assert answer.status_code == status, answer.content
        return answer.json()

    def start(self, size: int, *, status: int = 201, mark: str = PRINT, name: str = "a.csv") -> Any:
        body = {"filename": name, "bytes": size, "fingerprint": mark}
        return self.post(f"datasets/{self.dataset.pk}/uploads", body, status)


def cut(content: bytes, part: dict[str, Any], part_bytes: int) -> bytes:
    begin = (part["number"] - 1) * part_bytes
    return content[begin : begin + part["bytes"]]


def send(content: bytes, started: dict[str, Any], *numbers: int) -> None:
    for part in started["parts"]:
        if part["number"] in numbers:
            body = cut(content, part, started["part_bytes"])
            httpx2.put(part["url"], content=body).raise_for_status()


@pytest.fixture
def sender() -> Sender:
    return Sender(make_tenant())


@pytest.fixture
def content(settings: Any) -> bytes:
    """A file of three parts."""
    settings.UPLOAD_PART_BYTES = 5 * MIB
    found = csv_of((f"{'long ' * 200}{n}", "ab"[n % 2]) for n in range(12_000))
    assert 2 * 5 * MIB < len(found) < 3 * 5 * MIB
    return found


def test_the_same_file_goes_on_where_it_stopped_and_only_missing_parts_are_signed(
    sender: Sender, content: bytes
) -> None:
    first = sender.start(len(content))
    assert (first["resumed"], first["received"], first["part_count"]) == (False, [], 3)
    send(content, first, 1, 3)
    again = sender.start(len(content), status=200)
    assert again["id"] == first["id"]
    assert (again["resumed"], again["received"]) == (True, [1, 3])
    assert again["received_bytes"] == len(content) - 5 * MIB
    assert [part["number"] for part in again["parts"]] == [2]
    send(content, again, 2)
    assert sender.get(f"uploads/{first['id']}/parts")["received"] == [1, 2, 3]
    sender.post(f"uploads/{first['id']}/finish")
    assert sender.get(f"uploads/{first['id']}")["status"] == "mapping"
    facts = storage.facts(storage.tenant_key(sender.tenant.pk, "uploads", first["id"], "file"))
    assert facts is not None
    assert facts.bytes == len(content)


def test_a_file_that_waits_for_its_columns_is_not_sent_again_until_its_import_has_ended(
    sender: Sender, content: bytes
) -> None:
    first = sender.start(len(content))
    send(content, first, 1, 2, 3)
    sender.post(f"uploads/{first['id']}/finish")
    again = sender.start(len(content), status=200)
    assert (again["id"], again["status"], again["parts"]) == (first["id"], "mapping", [])
    assert again["received_bytes"] == len(content)
    assert "/imports/" in sender.post(f"uploads/{first['id']}/finish")["next_url"]
    sender.post(f"uploads/{first['id']}/import", {"text": "text", "label": "label"})
    assert sender.start(len(content))["id"] != first["id"]


def test_another_file_never_goes_on_with_this_ones_parts(sender: Sender, content: bytes) -> None:
    size = len(content)
    first = sender.start(size)
    send(content, first, 1)
    bare = {"filename": "a.csv", "bytes": size}
    others = [
        sender.start(size, mark="b" * 64),
        sender.start(size, name="b.csv"),
        sender.start(size + 1),
        sender.post(f"datasets/{sender.dataset.pk}/uploads", bare, 201),
    ]
    sender.dataset = make_dataset(sender.tenant)
    others.append(sender.start(size))
    assert len({first["id"], *(one["id"] for one in others)}) == 6
    assert [one["received"] for one in others] == [[]] * 5


def test_an_upload_that_the_store_has_dropped_starts_anew(sender: Sender, content: bytes) -> None:
    first = sender.start(len(content))
    with tenant_scope(sender.tenant.pk):
        row = Upload.objects.get()
    storage.multipart_abort(row.storage_key, row.multipart_id)
    assert sender.get(f"uploads/{first['id']}/parts", 404)["code"] == "upload_gone"
    second = sender.start(len(content))
    assert second["id"] != first["id"]
    assert sender.get(f"uploads/{first['id']}")["status"] == "abandoned"


def test_a_finish_that_was_lost_after_the_parts_were_joined_is_made_good_by_another(
    sender: Sender, content: bytes
) -> None:
    first = sender.start(len(content))
    send(content, first, 1, 2, 3)
    with tenant_scope(sender.tenant.pk):
        row = Upload.objects.get()
    parts = storage.multipart_parts(row.storage_key, row.multipart_id)
    storage.multipart_complete(row.storage_key, row.multipart_id, parts)
    again = sender.start(len(content), status=200)
    assert again["received_bytes"] == len(content)
    assert sender.post(f"uploads/{first['id']}/finish")["status"] in {"verifying", "mapping"}


def test_the_store_takes_no_part_of_another_size_than_was_signed(
    sender: Sender, content: bytes
) -> None:
    started = sender.start(len(content))
    first = started["parts"][0]
    assert first["bytes"] == 5 * MIB
    for wrong in (b"x", b"x" * (5 * MIB + 1)):
        assert httpx2.put(first["url"], content=wrong).status_code == 403
    assert sender.get(f"uploads/{started['id']}/parts")["received"] == []


def test_a_file_over_the_plans_storage_is_refused_with_numbers_and_what_to_do(
    sender: Sender,
) -> None:
    sender.start(400 * MIB)
    sender.start(400 * MIB, name="b.csv")
    body = {"filename": "c.csv", "bytes": 300 * MIB}
    problem = sender.post(f"datasets/{sender.dataset.pk}/uploads", body, 402)
    assert problem["code"] == "quota_exceeded"
    assert (problem["limit"], problem["used"]) == (1024 * MIB, 800 * MIB)
    assert problem["needed"] == 300 * MIB
    assert "c.csv needs 300.0" in problem["detail"]
    assert "Upgrade the plan" in problem["detail"]
    assert problem["upgrade_url"].endswith("/usage/")
    with tenant_scope(sender.tenant.pk):
        assert Upload.objects.count() == 2
    prefix = storage.tenant_key(sender.tenant.pk, "uploads")
    assert len(storage.list_multiparts(prefix)) == 2


def test_files_that_are_opened_at_once_never_share_what_is_left(sender: Sender) -> None:
    actor, size = owner_of(sender.tenant), 300 * MIB
    with ExitStack() as places:
        opened = [
            places.enter_context(
                services.upload_open(
                    actor=actor, dataset_id=sender.dataset.pk, filename=f"{n}.csv", size=size
                )
            )
            for n in range(4)  # each finds room: none is written down yet
        ]
        for one in opened[:3]:
            with tenant_scope(sender.tenant.pk):
                services.upload_record(actor=actor, opened=one)
        with pytest.raises(QuotaExceeded) as refusal, tenant_scope(sender.tenant.pk):
            services.upload_record(actor=actor, opened=opened[3])
    assert refusal.value.data["used"] == 3 * size


def test_the_plan_says_how_large_a_file_may_be(sender: Sender, settings: Any) -> None:
    problem = sender.start(501 * MIB, status=413)
    assert (problem["code"], problem["limit"]) == ("file_too_large", 500 * MIB)
    assert "the Free plan takes files of 500.0" in problem["detail"]
    settings.BILLING = "off"
    problem = sender.start(settings.UPLOAD_MAX_BYTES + 1, status=413)
    assert problem["limit"] == settings.UPLOAD_MAX_BYTES
    assert "upgrade_url" not in problem


def test_five_gigabytes_are_one_upload_of_at_most_ten_thousand_parts(
    sender: Sender, settings: Any
) -> None:
    settings.BILLING = "off"
    settings.UPLOAD_MAX_BYTES = 1024**4
    five = sender.start(5 * 10**9)
    assert five["part_count"] == 597
    assert [part["number"] for part in five["parts"]] == list(range(1, 101))
    more = sender.post(f"uploads/{five['id']}/parts", {"numbers": [596, 597]})["parts"]
    assert sum(part["bytes"] for part in more) == 5 * 10**9 - 595 * five["part_bytes"]
    huge = sender.start(1024**4, name="huge.csv")
    assert huge["part_count"] <= 10_000
    assert huge["part_bytes"] * huge["part_count"] >= 1024**4


def test_no_part_is_signed_for_an_upload_that_ended_or_for_another_workspace(
    sender: Sender, content: bytes
) -> None:
    started = sender.start(len(content))
    other = Sender(make_tenant())
    other.post(f"uploads/{started['id']}/parts", {"numbers": [1]}, 404)
    other.get(f"uploads/{started['id']}/parts", 404)
    problem = sender.post(f"uploads/{started['id']}/parts", {"numbers": [4]}, 422)
    assert problem["code"] == "part_number"
    sender.post(f"uploads/{started['id']}/abandon")
    problem = sender.post(f"uploads/{started['id']}/parts", {"numbers": [1]}, 409)
    assert problem["code"] == "upload_state"
    assert sender.get(f"uploads/{started['id']}/parts", 409)["code"] == "upload_state"


def test_a_plan_that_became_too_small_signs_no_further_part(
    sender: Sender, content: bytes, settings: Any
) -> None:
    settings.BILLING = "off"
    started = sender.start(3 * 1024**3)
    settings.BILLING = "sandbox"
    problem = sender.post(f"uploads/{started['id']}/parts", {"numbers": [1]}, 402)
    assert problem["code"] == "quota_exceeded"


def test_who_still_asks_for_parts_is_not_swept_and_who_stopped_a_day_ago_is(
    sender: Sender, content: bytes
) -> None:
    slow, gone = sender.start(len(content)), sender.start(len(content), name="gone.csv")
    long_ago = clock.now() - dt.timedelta(hours=30)
    with tenant_scope(sender.tenant.pk):
        Upload.objects.update(moved_at=long_ago)
    sender.post(f"uploads/{slow['id']}/parts", {"numbers": [1]})
    assert services.sweep() == 1
    assert sender.get(f"uploads/{slow['id']}")["status"] == "receiving"
    assert sender.get(f"uploads/{gone['id']}")["status"] == "abandoned"


def test_parts_that_no_row_speaks_of_are_thrown_away_and_open_uploads_are_left_alone(
    sender: Sender, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = sender.start(len(content))
    send(content, kept, 1)
    lost = storage.tenant_key(sender.tenant.pk, "uploads", str(ids.new()), "file")
    other = storage.tenant_key(sender.tenant.pk, "exports", "x.zip")
    for key in (lost, other):
        storage.multipart_put(key, storage.multipart_create(key), 1, b"left")
    services.multiparts_sweep()  # all are younger than a day
    prefix = storage.tenant_key(sender.tenant.pk)
    assert len(storage.list_multiparts(prefix)) == 3
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + dt.timedelta(hours=25))
    assert services.multiparts_sweep() >= 1
    keys = [key for key, _id in storage.list_multiparts(prefix)]
    assert lost not in keys
    assert sorted(keys) == sorted(
        [other, storage.tenant_key(sender.tenant.pk, "uploads", kept["id"], "file")]
    )
    assert sender.get(f"uploads/{kept['id']}/parts")["received"] == [1]
