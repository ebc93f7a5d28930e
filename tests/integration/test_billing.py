"""Plans, entitlements, the ledger and its flush."""

from __future__ import annotations

import datetime as dt
import json
import os
import threading
import uuid
from urllib.parse import urlsplit

import psycopg2
import pytest
from django.conf import settings
from django.db import DatabaseError, connection
from django.test import Client

from billing import entitlements, flush, periods, plans, services, usage
from billing.models import Account, Entry
from billing.tasks import flush_usage
from modelyard.core import clock, valkey
from modelyard.core.errors import Forbidden, Invalid, QuotaExceeded
from tenants.models import Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import add_member, bearer, make_key, make_tenant, owner_of, signed_in
from tests.factories_controls import override

pytestmark = pytest.mark.django_db(transaction=True)
STREAM = settings.USAGE_STREAMS[0]


def write(tenant: Tenant, entry_id: str, amount: int = 1, **more: object) -> bool:
    with tenant_scope(tenant.pk):
        return usage.record(
            tenant_id=tenant.pk,
            entry_id=entry_id,
            meter=str(more.pop("meter", "predictions")),
            amount=amount,
            subject={},
            **more,  # type: ignore[arg-type]
        )


def buffer(tenant_id: object, rid: str, units: int = 1, **more: str) -> None:
    fields = {
        "rid": rid,
        "tenant": str(tenant_id),
        "deployment": str(uuid.uuid4()),
        "version": str(uuid.uuid4()),
        "units": str(units),
        "tokens": "7",
        "at": str(int(clock.now().timestamp() * 1000)),
    }
    valkey.serving().xadd(STREAM, {**fields, **more})


def entries(tenant: Tenant) -> list[Entry]:
    with tenant_scope(tenant.pk):
        return list(Entry.objects.order_by("entry_id"))


def test_without_billing_nothing_is_limited(settings: object) -> None:
    settings.BILLING = "off"  # type: ignore[attr-defined]
    found = entitlements.current(make_tenant().pk)
    assert found.plan is plans.SELF_HOSTED
    assert set(found.limits.values()) == {None}


def test_a_tenant_without_an_account_is_on_the_free_plan() -> None:
    found = entitlements.current(make_tenant().pk)
    assert found.plan is plans.FREE
    assert found.limits["predictions"] == 1000
    assert found.period.start <= clock.now() < found.period.end


def test_every_plan_names_every_limit() -> None:
    for plan in plans.PLANS.values():
        assert set(plan.limits) == set(plans.LIMITS)


def test_a_period_is_a_calendar_month_in_utc() -> None:
    december = periods.month_of(dt.datetime(2026, 12, 31, 23, 59, tzinfo=dt.UTC))
    assert (december.name, december.end.isoformat()) == ("2026-12", "2027-01-01T00:00:00+00:00")
    assert december.last_day == dt.date(2026, 12, 31)


def test_at_the_limit_the_refusal_says_what_is_used_and_where_to_upgrade() -> None:
    tenant = make_tenant()
    write(tenant, "a", 1000)
    with pytest.raises(QuotaExceeded) as caught:
        entitlements.require(tenant.pk, "predictions", 1)
    error = caught.value
    assert (error.status, error.code) == (402, "quota_exceeded")
    assert (error.data["meter"], error.data["limit"], error.data["used"]) == (
        "predictions",
        1000,
        1000,
    )
    assert str(error.data["upgrade_url"]).endswith(f"/t/{tenant.slug}/usage/")
    assert "1,000 predictions a month" in error.message


def test_what_is_just_within_the_limit_passes() -> None:
    tenant = make_tenant()
    write(tenant, "a", 999)
    entitlements.require(tenant.pk, "predictions", 1)
    entitlements.require(tenant.pk, "examples", 20_000, stands=0)
    with pytest.raises(QuotaExceeded):
        entitlements.require(tenant.pk, "examples", 1, stands=20_000)


def test_an_unknown_limit_or_meter_is_a_bug_and_raises() -> None:
    tenant = make_tenant()
    with pytest.raises(ValueError, match="no such limit"):
        entitlements.require(tenant.pk, "moons", 1)
    with pytest.raises(ValueError, match="no such meter"):
        write(tenant, "a", meter="moons")


def test_use_of_last_month_does_not_count_now() -> None:
    tenant = make_tenant()
    last = periods.current().start - dt.timedelta(seconds=1)
    write(tenant, "a", 1000, at=last)
    entitlements.require(tenant.pk, "predictions", 1)


def test_a_plan_change_acts_at_once_and_overrides_one_limit() -> None:
    tenant = make_tenant()
    write(tenant, "a", 1000)
    with tenant_scope(tenant.pk):
        services.account_set_plan(actor=owner_of(tenant), plan="team")
    override(tenant, predictions=1500)
    found = entitlements.current(tenant.pk)
    assert (found.limits["predictions"], found.limits["deployments"]) == (1500, 10)
    with tenant_scope(tenant.pk), pytest.raises(Invalid):
        services.account_set_plan(actor=owner_of(tenant), plan="gold")


def test_a_canceled_account_falls_back_to_the_free_plan() -> None:
    tenant = make_tenant()
    with tenant_scope(tenant.pk):
        Account.objects.create(plan="team", status="canceled")
    assert entitlements.current(tenant.pk).plan is plans.FREE


def test_a_builder_may_not_change_the_plan() -> None:
    tenant = make_tenant()
    actor = owner_of(tenant)
    weak = type(actor)(actor.kind, actor.id, actor.tenant_id, frozenset({"usage.read"}))
    with tenant_scope(tenant.pk), pytest.raises(Forbidden):
        services.account_set_plan(actor=weak, plan="team")


def test_an_entry_is_written_once_for_its_id_and_meter() -> None:
    tenant, other = make_tenant(), make_tenant()
    assert write(tenant, "run:1", 5) is True
    assert write(tenant, "run:1", 5) is False
    assert write(tenant, "run:1", 7, meter="train_ms") is True
    assert write(other, "run:1", 5) is True
    assert usage.used(tenant.pk, "predictions", periods.current()) == 5


def test_an_entry_goes_with_the_transaction_of_its_work() -> None:
    tenant = make_tenant()
    with pytest.raises(DatabaseError), tenant_scope(tenant.pk):  # noqa: PT012
        usage.record(tenant_id=tenant.pk, entry_id="a", meter="predictions", amount=1, subject={})
        usage.record(tenant_id=tenant.pk, entry_id="b", meter="predictions", amount=-1, subject={})
    assert entries(tenant) == []


@pytest.mark.parametrize(
    "statement", ["update billing_entry set amount = 0", "delete from billing_entry"]
)
def test_the_web_login_can_neither_change_nor_delete_a_line(statement: str) -> None:
    tenant = make_tenant()
    write(tenant, "a", 3)
    web = urlsplit(os.environ["WEB_DATABASE_URL"])._replace(
        path=f"/{connection.settings_dict['NAME']}"
    )
    session = psycopg2.connect(web.geturl())
    try:
        with session.cursor() as cursor:
            cursor.execute("select set_config('app.tenant_id', %s, false)", [str(tenant.pk)])
            cursor.execute("select sum(amount) from billing_entry")
            assert cursor.fetchone() == (3,)
            with pytest.raises(psycopg2.Error, match="permission denied for table billing_entry"):
                cursor.execute(statement)
    finally:
        session.close()


def test_the_flush_moves_the_buffer_into_the_ledger_once() -> None:
    tenant = make_tenant()
    buffer(tenant.pk, "r1", 3)
    buffer(tenant.pk, "r2", 1)
    flush_usage.delay()
    flush_usage.delay()
    assert [(entry.entry_id, entry.amount) for entry in entries(tenant)] == [("r1", 3), ("r2", 1)]
    assert valkey.serving().xlen(STREAM) == 0


def test_a_flusher_that_dies_after_its_commit_doubles_nothing() -> None:
    tenant = make_tenant()
    buffer(tenant.pk, "r1", 3)
    raw = valkey.serving().xrange(STREAM)
    assert flush.flush() == 1
    for _number, fields in raw:
        valkey.serving().xadd(STREAM, fields)
    assert flush.flush() == 0
    assert [entry.amount for entry in entries(tenant)] == [3]


def test_two_flushers_at_once_are_harmless() -> None:
    tenant = make_tenant()
    for number in range(1200):
        buffer(tenant.pk, f"r{number:04}")
    new: list[int] = []

    def run() -> None:
        try:
            new.append(flush.flush())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(new) == 1200
    assert usage.used(tenant.pk, "predictions", periods.current()) == 1200
    assert valkey.serving().xlen(STREAM) == 0


def test_an_unreadable_buffer_entry_is_set_aside_and_stops_nobody() -> None:
    tenant = make_tenant()
    buffer(tenant.pk, "bad", units=1, at="soon")
    buffer("not-a-tenant", "bad2")
    buffer(uuid.uuid4(), "of a deleted tenant")
    buffer(tenant.pk, "good")
    assert flush.flush() == 1
    assert [entry.entry_id for entry in entries(tenant)] == ["good"]
    aside = valkey.serving().xrange(f"{STREAM}:unreadable")
    assert [json.loads(fields["fields"])["rid"] for _id, fields in aside] == ["bad", "bad2"]


def test_the_api_says_what_is_used_of_each_limit() -> None:
    tenant = make_tenant()
    write(tenant, "a", 12)
    body = Client().get("/api/v1/usage", **bearer(make_key(tenant))).json()
    meters = {row["name"]: row for row in body["meters"]}
    assert body["plan"] == "free"
    assert meters["predictions"] == {"name": "predictions", "used": 12, "limit": 1000}
    assert meters["seats"]["used"] == 1


def test_the_ledger_is_paged_and_found_by_request_id() -> None:
    tenant, other = make_tenant(), make_tenant()
    for number in range(3):
        write(tenant, f"req_{number}")
    key = bearer(make_key(tenant))
    page = Client().get("/api/v1/usage/entries?limit=2", **key).json()
    assert [row["request_id"] for row in page["data"]] == ["req_2", "req_1"]
    rest = Client().get(page["next"], **key).json()
    assert [row["request_id"] for row in rest["data"]] == ["req_0"]
    assert rest["has_more"] is False
    one = Client().get("/api/v1/usage/entries?request_id=req_1", **key).json()
    assert [row["amount"] for row in one["data"]] == [1]
    theirs = Client().get("/api/v1/usage/entries", **bearer(make_key(other))).json()
    assert theirs["data"] == []
    for meter in ("moons", ""):
        wrong = Client().get(f"/api/v1/usage/entries?meter={meter}", **key)
        assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")


def test_the_usage_page_shows_meters_lines_and_what_a_reached_limit_means() -> None:
    tenant = make_tenant()
    write(tenant, "req_1", 1000)
    write(tenant, "run:1", 90_000, meter="train_ms")
    client = signed_in(tenant.memberships.get().user)
    page = client.get(f"/t/{tenant.slug}/usage/")
    text = page.content.decode()
    assert page.status_code == 200
    assert 'data-entry="req_1"' in text
    assert "1,000 of 1,000 used, 100% of your limit" in text
    assert "1 min 30 s" in text
    assert client.get(f"/t/{tenant.slug}/usage/?cursor=nonsense").status_code == 422


def test_the_export_is_the_ledger_as_csv() -> None:
    tenant = make_tenant()
    write(tenant, "req_1", 4)
    client = signed_in(tenant.memberships.get().user)
    answer = client.get(f"/t/{tenant.slug}/usage/export.csv")
    lines = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert lines[0] == "entry,at,meter,amount,subject"
    assert lines[1].startswith("req_1,")
    assert len(lines) == 2


def test_a_labeler_sees_no_usage() -> None:
    tenant = make_tenant()
    page = signed_in(add_member(tenant, "labeler")).get(f"/t/{tenant.slug}/usage/")
    assert page.status_code == 403
