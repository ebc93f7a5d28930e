"""The export has everything and no secret; what is kept goes after the time that was chosen."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import uuid
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import DatabaseError

from modelyard.core import clock, storage
from modelyard.core.errors import Conflict, Invalid
from tenants.controls.models import Suspension
from tenants.models import ApiKey, AuditEvent, Tenant
from tenants.rights import archive, catalog, hooks
from tenants.rights.models import Export
from tenants.rights.services import exporting, exports, retention
from tenants.rights.tasks import retain, sweep
from tenants.rights.withheld import HARMLESS, SUSPECT, WITHHELD
from tenants.scoping.context import tenant_scope
from tenants.trail.models import Anchor, Seal
from tenants.trail.services import trail_seal
from tenants.trail.verify import tenant_verify
from tests.factories import add_member, bearer, make_key, make_tenant, owner_of, signed_in
from tests.factories_objects import make_everything
from tests.factories_rights import FILES, counts, make_full
from training.datasets.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)

EMPTY = {
    "controls_flagtenant": "made by operators",
    "trail_seal": "written by the scheduler",
    "trail_anchor": "written by the scheduler",
}
"""Tables that `make_everything` leaves empty, and why; `make_full` fills them."""


class Killed(BaseException):
    """Stands for kill -9: nothing in the product catches it."""


def once(name: str, act: Callable[[], None]) -> Callable[[str], None]:
    """Return a look-in that acts the first time that `name` comes by."""
    done: list[str] = []

    def look(item: str) -> None:
        if item == name and not done:
            done.append(item)
            act()

    return look


def die() -> None:
    raise Killed


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[str], None]]:
    looks: list[Callable[[str], None]] = []
    monkeypatch.setattr(exporting, "on_step", looks)
    return looks


def order(tenant: Tenant) -> Export:
    """Order an export; its job runs at once."""
    with tenant_scope(tenant.pk):
        row = exports.export_request(actor=owner_of(tenant))
    return fresh(row)


def fresh(row: Export) -> Export:
    with tenant_scope(row.tenant_id):
        row.refresh_from_db()
    return row


def opened(row: Export) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(storage.get_bytes(row.storage_key)))


def lines(file: zipfile.ZipFile, table: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read(f"tables/{table}.jsonl").splitlines()]


def archives(tenant: Tenant) -> list[object]:
    prefix = f"tenants/{tenant.pk}/exports/"
    return [*storage.list_keys(prefix), *storage.list_multiparts(prefix)]


def test_make_everything_leaves_no_table_of_a_tenant_empty() -> None:
    tenant = make_tenant()
    make_everything(tenant)
    make_key(tenant)
    assert {name for name, rows in counts(tenant.pk).items() if not rows} == set(EMPTY)
    assert all(counts(make_full("Full Ltd").pk).values())


def test_every_table_that_hangs_on_a_tenants_row_is_walked_too() -> None:
    walked = {table.name for table in catalog.tables()} | {"tenants_tenant"}
    hanging = {
        child: table
        for table in walked
        for child, _column in catalog.references(table)
        if child not in walked
    }
    assert hanging == {}, "name the tenant in these tables, so that export and deletion find them"


def test_an_export_holds_every_row_of_every_table_every_file_and_proves_it() -> None:
    tenant, other = make_full("Full Ltd"), make_full("Canary Ltd")
    before = counts(tenant.pk)
    row = order(tenant)
    assert (row.status, row.error_message) == ("ready", "")
    expected = {
        **before,
        "rights_export": 2,
        "tenants_auditevent": before["tenants_auditevent"] + 1,
    }
    assert row.rows == expected
    with opened(row) as file:
        assert file.testzip() is None
        manifest = json.loads(file.read("manifest.json"))
        assert manifest["tables"] == expected
        assert {name: len(lines(file, name)) for name in expected} == expected
        for member in manifest["members"]:
            assert hashlib.sha256(file.read(member["name"])).hexdigest() == member["sha256"]
        assert {one["name"] for one in manifest["members"]} == {*file.namelist()} - {
            "manifest.json"
        }
        for name in FILES:
            assert file.read(f"objects/{name}") == name.encode() * 100
        everything = b"".join(file.read(name) for name in file.namelist())
        emails = {json.loads(line)["email"] for line in file.read("people.jsonl").splitlines()}
    assert len(emails) == before["tenants_membership"]
    for secret in ApiKey.objects.values_list("digest", flat=True):
        assert secret.encode() not in everything
    assert str(other.pk).encode() not in everything
    assert b"Canary" not in everything


def test_a_column_that_sounds_like_a_secret_is_withheld_or_was_looked_at() -> None:
    tables = {table.name: table.columns for table in catalog.tables()}
    tables |= {name: tuple(catalog.columns(name)) for name, _ in catalog.references("tenants_user")}
    tables["tenants_user"] = tuple(catalog.columns("tenants_user"))
    suspects = {
        (table, column)
        for table, columns in tables.items()
        for column in columns
        if SUSPECT.search(column)
    }
    undecided = suspects - WITHHELD - HARMLESS
    assert undecided == set(), "put them on one of the lists of tenants/rights/withheld.py"
    there = {(table, column) for table, columns in tables.items() for column in columns}
    assert (WITHHELD | HARMLESS) - there == set(), "these columns are gone"


def test_an_archive_is_sent_in_parts_while_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    put = storage.multipart_put

    def watched(key: str, upload_id: str, number: int, data: bytes) -> storage.Part:
        sizes.append(len(data))
        return put(key, upload_id, number, data)

    monkeypatch.setattr(storage, "multipart_put", watched)
    key = f"tenants/{uuid.uuid4()}/exports/x.zip"
    chunk = hashlib.sha256(b"x").digest() * 32768
    with archive.Archive(key) as written:
        written.add("big.bin", (chunk for _ in range(20)), packed=False)
        assert len(sizes) == 2, "the first parts are away before the archive is complete"
    assert sizes[:2] == [archive.PART_BYTES] * 2
    with zipfile.ZipFile(io.BytesIO(storage.get_bytes(key))) as file:
        assert file.read("big.bin") == chunk * 20
    storage.delete(key)


def test_a_cancelled_export_ends_at_its_next_step_and_leaves_nothing(
    between: list[Callable[[str], None]],
) -> None:
    tenant = make_tenant()

    def cancel() -> None:
        with tenant_scope(tenant.pk):
            row = Export.objects.get(status="running")
            exports.export_cancel(actor=owner_of(tenant), export_id=row.pk)

    between.append(once("jobs_run", cancel))
    row = order(tenant)
    assert row.status == "cancelled"
    assert archives(tenant) == []
    with tenant_scope(tenant.pk), pytest.raises(Conflict, match="cancelled"):
        exports.export_link(actor=owner_of(tenant), export_id=row.pk)


def test_an_export_whose_worker_died_is_written_by_the_next(
    between: list[Callable[[str], None]], settings: Any
) -> None:
    tenant = make_tenant()
    storage.put_bytes(f"tenants/{tenant.pk}/{FILES[0]}", b"x")
    between.append(once(FILES[0], die))
    with pytest.raises(Killed):
        order(tenant)
    with tenant_scope(tenant.pk):
        row = Export.objects.get(status="running")
    sweep()
    assert fresh(row).attempt == 1, "its lease still holds"
    with tenant_scope(tenant.pk):
        Export.objects.update(lease_until=clock.now() - dt.timedelta(seconds=1))
    sweep()
    assert (fresh(row).status, row.attempt) == ("ready", 2)
    assert len(archives(tenant)) == 1


def test_an_export_that_kills_every_worker_fails_with_a_sentence(
    between: list[Callable[[str], None]],
) -> None:
    tenant = make_tenant()
    between.append(lambda _item: die())
    for start in (lambda: order(tenant), sweep, sweep):
        with pytest.raises(Killed):
            start()
        with tenant_scope(tenant.pk):
            Export.objects.filter(status="running").update(lease_until=clock.now())
    sweep()
    with tenant_scope(tenant.pk):
        row = Export.objects.get(error_code="worker_lost")
    assert row.status == "failed"
    assert row.error_message.endswith("Make a new export.")
    assert archives(tenant) == []


def test_one_export_is_at_work_at_a_time() -> None:
    tenant = make_tenant()
    with tenant_scope(tenant.pk):
        Export.objects.create(requested_by="user:1", status="running", lease_until=clock.now())
        with pytest.raises(Conflict, match="at work already"):
            exports.export_request(actor=owner_of(tenant))


def test_an_archive_is_removed_when_its_days_are_over() -> None:
    tenant = make_tenant()
    row = order(tenant)
    sweep()
    assert fresh(row).status == "ready"
    assert row.expires_at == row.finished_at + dt.timedelta(days=7)
    with tenant_scope(tenant.pk):
        Export.objects.filter(pk=row.pk).update(expires_at=clock.now())
    sweep()
    assert fresh(row).status == "expired"
    assert archives(tenant) == []


@pytest.mark.parametrize(("role", "status"), [("admin", 200), ("builder", 403), ("viewer", 403)])
def test_only_owners_and_admins_see_the_page_and_order_exports(role: str, status: int) -> None:
    tenant = make_tenant()
    browser = signed_in(add_member(tenant, role))
    page = f"/t/{tenant.slug}/settings/data/"
    assert browser.get(page).status_code == status
    answer = browser.post(f"{page}exports")
    assert answer.status_code == (302 if status == 200 else 403)
    with tenant_scope(tenant.pk):
        assert Export.objects.count() == (1 if status == 200 else 0)


def test_the_owner_of_a_suspended_workspace_still_takes_everything_along() -> None:
    tenant = make_tenant()
    browser = signed_in(tenant.memberships.get(role="owner").user)
    with tenant_scope(tenant.pk):
        Suspension.objects.create(reason="Unpaid.", by="Operator")
    Tenant.objects.filter(pk=tenant.pk).update(status="suspended")
    page = f"/t/{tenant.slug}/settings/data/"
    assert browser.post(f"{page}exports").status_code == 302
    text = browser.get(page).content.decode()
    assert "Download" in text
    assert "Delete the workspace" not in text
    with tenant_scope(tenant.pk):
        row = Export.objects.get(status="ready")
    assert browser.get(f"{page}exports/{row.pk}/download").status_code == 302
    assert browser.post(f"{page}retention", {"uploads": "9"}).status_code == 403


def test_a_key_orders_no_export() -> None:
    tenant = make_tenant()
    answer = signed_in(add_member(tenant, "admin")).post(
        f"/t/{tenant.slug}/api/v1/exports", content_type="application/json"
    )
    assert answer.status_code == 201
    client = signed_in(add_member(tenant, "admin"))
    client.logout()
    answer = client.post("/api/v1/exports", **bearer(make_key(tenant)))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_the_page_shows_how_far_an_export_is_and_links_to_the_archive() -> None:
    tenant = make_tenant()
    browser = signed_in(add_member(tenant, "admin"))
    page = f"/t/{tenant.slug}/settings/data/"
    with tenant_scope(tenant.pk):
        row = Export.objects.create(
            requested_by="user:1", status="running", phase="tables", item="datasets_example",
            step=3, steps=25, units=50, units_all=100, lease_until=clock.now(),
            started_at=clock.now() - dt.timedelta(seconds=60),
        )  # fmt: skip
    text = browser.get(page).content.decode()
    for wanted in ("50%", "Writing tables", "3 of 25", "datasets_example", "left"):
        assert wanted in text
    browser.post(f"{page}exports/{row.pk}/cancel")
    assert fresh(row).status == "cancelled"
    browser.post(f"{page}exports")
    with tenant_scope(tenant.pk):
        ready = Export.objects.get(status="ready")
    assert "Download" in browser.get(page).content.decode()
    target = browser.get(f"{page}exports/{ready.pk}/download")
    assert target.status_code == 302
    assert "X-Amz-Expires=300" in target["Location"]


def test_another_workspaces_export_does_not_exist() -> None:
    tenant, other = make_tenant(), make_tenant()
    with tenant_scope(other.pk):
        row = Export.objects.create(requested_by="user:1", status="ready", storage_key="x")
    browser = signed_in(add_member(tenant, "admin"))
    for path in ("", "/download"):
        answer = browser.get(f"/t/{tenant.slug}/settings/data/exports/{row.pk}{path}")
        assert answer.status_code == 404


def test_uploaded_files_go_after_their_days_and_the_rows_stay() -> None:
    tenant = make_full("Full Ltd")
    old = clock.now() - dt.timedelta(days=31)
    with tenant_scope(tenant.pk):
        retention.retention_set(actor=owner_of(tenant), keep={"uploads": 30})
        upload = Upload.objects.get()
        key = storage.tenant_key(tenant.pk, "uploads", str(upload.pk), "file")
        Upload.objects.update(storage_key=key)
    storage.put_bytes(key, b"text,label\n")
    retain()
    assert storage.facts(key) is not None
    with tenant_scope(tenant.pk):
        Upload.objects.update(moved_at=old)
    retain()
    assert storage.facts(key) is None
    assert counts(tenant.pk)["datasets_example"] == 1


def test_old_audit_events_go_only_as_the_workspace_chose_and_the_rest_still_verifies() -> None:
    tenant = make_full("Full Ltd")
    with tenant_scope(tenant.pk):
        retention.retention_set(actor=owner_of(tenant), keep={"audit": 6})
    trail_seal()
    retain()
    assert tenant_verify(tenant).flaw is None
    stood = counts(tenant.pk)["tenants_auditevent"]
    months = dt.timedelta(days=6 * 31)
    with pytest.MonkeyPatch.context() as later:
        later.setattr(clock, "now", lambda: real_now() + months + dt.timedelta(days=1))
        with pytest.raises(DatabaseError, match="keeps its audit log longer"):
            retain()
    assert counts(tenant.pk)["tenants_auditevent"] == stood, "the database has a clock of its own"
    old = real_now() - months - dt.timedelta(days=1)
    seal_in_the_past(tenant, old)
    retain()
    assert counts(tenant.pk)["tenants_auditevent"] == 1
    trail_seal()
    verdict = tenant_verify(tenant)
    assert (verdict.flaw, verdict.sealed) == (None, stood + 1)
    with tenant_scope(tenant.pk):
        event = AuditEvent.objects.get()
        assert (event.action, event.facts["count"]) == ("audit.retired", stood)
        AuditEvent.objects.filter(pk=event.pk).update(object_id="x")
    flaw = tenant_verify(tenant).flaw
    assert flaw is not None
    assert flaw.code == "changed"


def real_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def seal_in_the_past(tenant: Tenant, moment: dt.datetime) -> None:
    """Seal the tenant's events anew, as if it had been done at `moment`."""
    storage.delete_prefix(f"tenants/{tenant.pk}/audit/")
    with tenant_scope(tenant.pk):
        Anchor.objects.all().delete()
        Seal.objects.all().delete()
    with pytest.MonkeyPatch.context() as then:
        then.setattr(clock, "now", lambda: moment)
        trail_seal(lag=dt.timedelta(days=300))


def test_a_period_out_of_range_is_refused_with_the_range() -> None:
    tenant = make_tenant()
    with tenant_scope(tenant.pk):
        for keep in ({"uploads": 0}, {"uploads": 99999}):
            with pytest.raises(Invalid, match="between 1 and 3650"):
                retention.retention_set(actor=owner_of(tenant), keep=keep)
        with pytest.raises(Invalid, match="Choose rules out of"):
            retention.retention_set(actor=owner_of(tenant), keep={"thoughts": 1})
    browser = signed_in(add_member(tenant, "admin"))
    page = f"/t/{tenant.slug}/settings/data/"
    assert browser.post(f"{page}retention", {"uploads": "0"}).status_code == 422
    assert browser.post(f"{page}retention", {"uploads": "45"}).status_code == 302
    assert 'value="45"' in browser.get(page).content.decode()


def test_each_rule_is_explained_in_a_sentence() -> None:
    tenant = make_tenant()
    text = signed_in(add_member(tenant, "admin")).get(f"/t/{tenant.slug}/settings/data/")
    for rule in hooks.rules.values():
        assert str(rule.sentence) in text.content.decode()
    assert {"uploads", "audit"} <= set(hooks.rules)


@pytest.fixture(autouse=True)
def _clean_store() -> Iterator[None]:
    yield
    for tenant_id in Tenant.objects.values_list("pk", flat=True):
        storage.delete_prefix(f"tenants/{tenant_id}/")
