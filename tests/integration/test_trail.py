"""The audit trail: sealed in order, provable, append-only by grant, readable, exportable."""

from __future__ import annotations

import ast
import io
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection, connections, transaction
from django.test import Client

from modelyard.celery import app
from modelyard.core import storage
from tenants import audit
from tenants import services as tenant_services
from tenants.models import AuditEvent, Tenant
from tenants.scoping.context import ops_scope, tenant_scope
from tenants.trail import documents, proof, selectors, services, words
from tenants.trail.models import Anchor, Seal
from tenants.trail.verify import tenant_verify
from tests.factories import add_member, bearer, make_key, make_tenant, owner_of, signed_in
from tests.factories_trail import TAMPERS, act, rebuild, sealed_trail
from tests.integration.test_idempotency import READY, Case, operations
from training.serving.models import Deployment

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
TRIES = 200
SEED = int(os.environ.get("TRAIL_SEED", "20261125"))


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


def verify(*arguments: str) -> tuple[int, str]:
    """Run `audit verify`; return its exit status and what it wrote."""
    out = io.StringIO()
    try:
        call_command("audit", "verify", *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}"
    return 0, out.getvalue()


def exported(tenant: Tenant, query: str = "") -> str:
    client = signed_in(tenant.memberships.get(role="owner").user)
    answer = client.get(f"/t/{tenant.slug}/settings/audit/export.jsonl{query}")
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content).decode()


# --- sealing ----------------------------------------------------------------------------------


def test_events_are_sealed_one_after_the_other_and_the_head_is_copied(tenant: Tenant) -> None:
    act(tenant, times=5)
    assert services.trail_seal() >= 6
    assert services.trail_seal() == 0
    with tenant_scope(tenant.pk):
        seals, events = list(Seal.objects.order_by("seq")), AuditEvent.objects.in_bulk()
        assert [seal.seq for seal in seals] == [1, 2, 3, 4, 5, 6]
        assert {seal.event_id for seal in seals} == set(events)
        assert selectors.copied_seqs() == [6]
    previous = proof.NOTHING
    for seal in seals:
        text = documents.sealed_text(events[seal.pk], seal.seq, seal.sealed_at)
        previous = proof.chain(previous, text)
        assert seal.hash == previous
    copy = json.loads(storage.get_bytes(services.anchor_key(tenant.pk, 6)))
    assert (copy["seq"], copy["hash"]) == (6, previous)


def test_chains_of_tenants_are_apart() -> None:
    one, two = make_tenant(), make_tenant()
    for _ in range(3):
        act(one)
        act(two)
    services.trail_seal()
    for tenant in (one, two):
        with tenant_scope(tenant.pk):
            assert list(Seal.objects.order_by("seq").values_list("seq", flat=True)) == [1, 2, 3, 4]


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_commits_late_is_sealed_later(tenant: Tenant) -> None:
    written, go = threading.Event(), threading.Event()

    def late() -> None:
        with tenant_scope(tenant.pk):
            audit.record(owner_of(tenant), "run.submitted", tenant, name="late")
            written.set()
            assert go.wait(10)
        connections.close_all()

    writer = threading.Thread(target=late)
    writer.start()
    assert written.wait(10)
    act(tenant, times=2)
    services.trail_seal()
    go.set()
    writer.join()
    assert services.trail_seal() == 1
    with tenant_scope(tenant.pk):
        event = AuditEvent.objects.get(action="run.submitted", facts__name="late")
        assert Seal.objects.get(pk=event.pk).seq == 4
    assert verify(tenant.slug)[0] == 0


def test_a_look_far_back_finds_what_the_near_one_passed_over(tenant: Tenant) -> None:
    services.trail_seal()
    old = (int((time.time() - 3600) * 1000) << 80) | (7 << 76) | (2 << 62) | random.getrandbits(40)
    act(tenant)
    with tenant_scope(tenant.pk), connection.cursor() as cursor:
        cursor.execute(
            "update tenants_auditevent set id = %s where id = %s",
            [f"{old:032x}", AuditEvent.objects.order_by("-id").first().pk],  # type: ignore[union-attr]
        )
    assert services.trail_seal() == 0
    assert services.trail_seal(lag=services.FAR) == 1


@pytest.mark.django_db(transaction=True)
def test_a_second_sealer_leaves_the_work_to_the_first(tenant: Tenant) -> None:
    act(tenant)
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        with ops_scope("test"):
            assert selectors.sealer_lock()
            held.set()
            assert go.wait(10)
        connections.close_all()

    other = threading.Thread(target=hold)
    other.start()
    assert held.wait(10)
    assert services.trail_seal() == 0
    go.set()
    other.join()
    assert services.trail_seal() == 2


def test_the_scheduler_rings_often_enough_for_ten_seconds() -> None:
    entry = app.conf.beat_schedule["seal-trail"]
    assert entry["schedule"] <= 5
    assert app.tasks[entry["task"]].queue == "system"
    assert app.conf.beat_schedule["sweep-trail"]["task"] in app.tasks


# --- grants -----------------------------------------------------------------------------------


def refused(role: str, sql: str, tenant: Tenant) -> bool:
    """Tell whether PostgreSQL refuses `sql` to `role` for want of a right."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"set local role {role}")
            cursor.execute("select set_config('app.tenant_id', %s, true)", [str(tenant.pk)])
            cursor.execute(sql)
            transaction.set_rollback(True)
    except ProgrammingError as error:
        return isinstance(error.__cause__, psycopg2.errors.InsufficientPrivilege)
    return False


def test_neither_web_nor_ops_may_change_or_remove_events_seals_and_anchors(
    tenant: Tenant,
) -> None:
    act(tenant)
    services.trail_seal()
    login = urlsplit(os.environ["WEB_DATABASE_URL"])
    database = login._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    insert = (
        "insert into trail_seal (id, tenant_id, seq, hash, sealed_at)"
        f" values (gen_random_uuid(), '{tenant.pk}', 99, 'x', now())"
    )
    changes = [
        sql.format(table=table)
        for table in ("tenants_auditevent", "trail_seal", "trail_anchor")
        for sql in (
            "update {table} set tenant_id = null",
            "delete from {table}",
            "truncate {table}",
        )
    ]
    with closing(psycopg2.connect(database)) as web, web.cursor() as cursor:
        for sql in (*changes, insert):
            cursor.execute(f"set app.tenant_id = '{tenant.pk}'")
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(sql)
            web.rollback()
    for sql in changes:
        assert refused("modelyard_ops", sql, tenant), sql
    assert not refused("modelyard_ops", insert, tenant)


# --- verify -----------------------------------------------------------------------------------


def test_every_column_of_an_event_is_under_the_seal(tenant: Tenant) -> None:
    columns = {field.name for field in AuditEvent._meta.fields}
    with tenant_scope(tenant.pk):
        event = AuditEvent.objects.first()
    assert event is not None
    assert set(documents.event_document(event)) == columns


def test_canonical_json_is_that_of_rfc_8785() -> None:
    numbers = {
        0.0: "0", 1.0: "1", 1e21: "1e+21", 1e20: "100000000000000000000",
        5e-324: "5e-324", 1.7976931348623157e308: "1.7976931348623157e+308", 1e-7: "1e-7",
        1e-6: "0.000001", 333333333.33333329: "333333333.3333333", -4.5: "-4.5",
        9007199254740992.0: "9007199254740992", 1.424953923781206e16: "14249539237812060",
    }  # fmt: skip
    for value, text in numbers.items():
        assert proof.canonical(value) == text
    names = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    in_order = re.findall(r":(\d)", proof.canonical(names))
    assert in_order == ["2", "4", "6", "7", "1", "5", "3"]
    assert proof.canonical(-0.0) == "0"
    assert proof.canonical({"b": [True, None, 10**20], "a": '"\\\n\x0f'}) == (
        '{"a":"\\"\\\\\\n\\u000f","b":[true,null,100000000000000000000]}'
    )
    with pytest.raises(ValueError, match="nan"):
        proof.canonical(float("nan"))


def test_an_untouched_trail_is_intact_and_says_what_is_not_sealed_yet(tenant: Tenant) -> None:
    last = sealed_trail(tenant, events=9, every=4)
    act(tenant, times=2)
    status, said = verify(tenant.slug)
    assert status == 0, said
    assert f"{last} sealed, 2 not sealed yet, copied up to #{last}: intact" in said
    status, said = verify(str(tenant.pk), "--json")
    found = json.loads(said)
    assert (status, found["ok"], found["tenants"][0]["unsealed"]) == (0, True, 2)
    assert verify("no-such-workspace")[0] == 1


def test_200_edits_removals_swaps_and_truncations_are_found_and_the_first_row_named(
    tenant: Tenant,
) -> None:
    print(f"seed {SEED}")
    last = sealed_trail(tenant, events=24, every=5)
    chance, copies = random.Random(SEED), []
    with tenant_scope(tenant.pk):
        copies = selectors.copied_seqs()
    assert tenant_verify(tenant).flaw is None
    found = 0
    for number in range(TRIES):
        tamper = TAMPERS[number % len(TAMPERS)]
        with transaction.atomic():
            with tenant_scope(tenant.pk):
                first = tamper(chance, last)
            flaw = tenant_verify(tenant).flaw
            transaction.set_rollback(True)
        assert flaw is not None, (number, tamper.__name__, first)
        if tamper is rebuild:
            # Its hashes fit, so the copies bound it: from the last good one to the first bad one.
            expected = max((seq for seq in copies if seq < first), default=0) + 1
            assert flaw.code == "rebuilt"
        else:
            expected = first
        assert flaw.seq == expected, (number, tamper.__name__, first, flaw)
        found += 1
    assert found == TRIES
    assert tenant_verify(tenant).flaw is None


def test_a_flaw_ends_the_command_with_status_1_and_a_sentence(tenant: Tenant) -> None:
    other = make_tenant()
    sealed_trail(tenant, events=5, every=5)
    with tenant_scope(tenant.pk):
        AuditEvent.objects.filter(pk=Seal.objects.get(seq=3).pk).update(action="run.cancelled")
    status, said = verify()
    assert status == 1
    assert "NOT INTACT (changed): row #3: event " in said
    assert f"{other.slug}: " in said
    status, said = verify("--json")
    document = json.loads(said[: said.rindex("}") + 1])
    broken = next(one for one in document["tenants"] if one["slug"] == tenant.slug)
    assert (status, document["ok"], broken["flaw"]["seq"]) == (1, False, 3)


def test_a_trail_that_is_cut_off_and_goes_on_is_found(tenant: Tenant) -> None:
    last = sealed_trail(tenant, events=12, every=4)
    with tenant_scope(tenant.pk):
        gone = list(Seal.objects.filter(seq__gt=last - 3).values_list("pk", flat=True))
        AuditEvent.objects.filter(pk__in=gone).delete()
        Seal.objects.filter(pk__in=gone).delete()
        Anchor.objects.filter(seq__gt=last - 3).delete()
    act(tenant, times=5)
    services.trail_seal()
    flaw = tenant_verify(tenant).flaw
    assert flaw is not None
    assert flaw.code == "rebuilt"
    assert flaw.seq == last - 3


def test_a_copy_that_is_gone_and_an_event_that_nobody_seals_are_named(tenant: Tenant) -> None:
    last = sealed_trail(tenant, events=4, every=4)
    with transaction.atomic(), tenant_scope(tenant.pk):
        AuditEvent.objects.filter(pk=AuditEvent.objects.first().pk)  # type: ignore[union-attr]
        act(tenant)
        newest = AuditEvent.objects.order_by("-id")[:1].get()
        AuditEvent.objects.filter(pk=newest.pk).update(created_at="2026-01-01T00:00:00Z")
        late = tenant_verify(tenant).flaw
        transaction.set_rollback(True)
    assert late is not None
    assert late.code == "overdue"
    storage.delete(services.anchor_key(tenant.pk, last))
    gone = tenant_verify(tenant).flaw
    assert gone is not None
    assert (gone.code, gone.seq) == ("copy_missing", last)


# --- the copy to keep -------------------------------------------------------------------------


def recipe() -> str:
    """Return the program that docs/audit.md gives to customers."""
    text = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    return text.split("```python\n", 1)[1].split("```", 1)[0]


def run_recipe(tmp_path: Path, file: Path) -> subprocess.CompletedProcess[str]:
    program = tmp_path / "check.py"
    program.write_text(recipe(), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-I", str(program), str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_an_export_is_verified_offline_by_the_command_and_by_the_recipe_of_the_docs(
    tenant: Tenant, tmp_path: Path
) -> None:
    sealed_trail(tenant, events=8, every=3)
    act(tenant, times=2)
    file = tmp_path / "audit.jsonl"
    file.write_text(exported(tenant), encoding="utf-8")
    status, said = verify("--file", str(file))
    assert (status, "9 sealed rows up to #9" in said, "3 not sealed" in said) == (0, True, True)
    done = run_recipe(tmp_path, file)
    assert done.returncode == 0, done.stderr
    assert "9 rows are as they were sealed" in done.stdout
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    spoilt = {
        "row #3 was changed": [*lines[:3], lines[3].replace("tenant", "tenanT", 1), *lines[4:]],
        "row #4 stands after row #2": [*lines[:3], *lines[4:]],
        "reordered": [*lines[:3], lines[4], lines[3], *lines[5:]],
        "ends at row #8": [*lines[:9], *lines[10:]],
    }
    for what, text in spoilt.items():
        file.write_text("".join(text), encoding="utf-8")
        status, said = verify("--file", str(file))
        assert status == 1, what
        assert what in said, said
        assert run_recipe(tmp_path, file).returncode != 0, what
    file.write_text("hello\n", encoding="utf-8")
    assert verify("--file", str(file))[0] == 1


def test_a_filtered_export_holds_the_rows_asked_for_and_each_can_be_checked(
    tenant: Tenant, tmp_path: Path
) -> None:
    sealed_trail(tenant, events=20, every=20)
    text = exported(tenant, "?action=run.submitted")
    head, *rows = [json.loads(line) for line in text.splitlines()]
    assert head["filters"] == {"action": "run.submitted"}
    assert {row["sealed"]["event"]["action"] for row in rows} == {"run.submitted"}
    assert 0 < len(rows) < 20
    file = tmp_path / "some.jsonl"
    file.write_text(text, encoding="utf-8")
    assert verify("--file", str(file))[0] == 0
    with tenant_scope(tenant.pk):
        assert AuditEvent.objects.filter(action="audit.exported").count() == 1


# --- every act is recorded --------------------------------------------------------------------

UNRECORDED = {
    "deployments_predict": "a line of the ledger each",
    "labeling_annotations": "an annotation each, which says who and when and is never edited",
    "labeling_undo": "stands in the annotation that it undoes",
    "labeling_skip": "as fast as keys are pressed; putting skipped rows back is an event",
    "labeling_lease": "hands out tasks, changes no data",
    "labeling_renew": "keeps them",
    "uploads_parts": "signs addresses; start and end of the upload are events",
    "picks_create": "chosen on a map to be looked at; it changes no row",
}
"""Operations that write no event, and why."""


def events_written(case: Case, operation: str, method: str, path: str) -> int:
    """Do the operation once, as the owner; return how many events that wrote."""
    body = READY.get(operation, lambda _: {})(case)
    values = dict(case.known)
    if "model-versions/" in path:
        values["version_id"] = values["model_version_id"]
    address = path.format(**{name: str(value) for name, value in values.items()})
    with tenant_scope(case.tenant.pk):
        before = AuditEvent.objects.count()
    answer = case.call(method, address, body)
    assert answer.status_code < 400, (operation, answer.content)
    with tenant_scope(case.tenant.pk):
        return AuditEvent.objects.count() - before


def test_every_mutating_route_of_the_api_writes_an_event_or_says_why_not() -> None:
    case, silent = Case(), set()
    known, found = case.known, operations()
    for operation, method, path in found:
        if operation != "deployments_predict":  # the ledger's, see UNRECORDED
            with transaction.atomic():
                case.known = dict(known)
                with tenant_scope(case.tenant.pk):
                    Deployment.objects.update(status="live")
                if not events_written(case, operation, method, path):
                    silent.add(operation)
                transaction.set_rollback(True)
    assert len(found) >= 35
    assert silent | {"deployments_predict"} == set(UNRECORDED)


# --- the page and the API ---------------------------------------------------------------------


def page(tenant: Tenant, query: str = "") -> str:
    client = signed_in(tenant.memberships.get(role="owner").user)
    answer = client.get(f"/t/{tenant.slug}/settings/audit/{query}")
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def test_the_page_says_who_did_what_on_what_and_whether_it_is_sealed(tenant: Tenant) -> None:
    owner = owner_of(tenant)
    with tenant_scope(tenant.pk):
        key, _text = tenant_services.key_create(actor=owner, name="nightly", scopes=["read"])
    services.trail_seal()
    act(tenant, times=12)
    text = page(tenant)
    assert "API key created" in text
    assert "nightly" in text
    assert "Modelyard staff" in text
    assert "automatic" in text
    assert str(tenant.memberships.get().user) in text
    assert "sealed #2" in text
    assert "not sealed yet" in text
    with tenant_scope(tenant.pk):
        AuditEvent.objects.update(object_kind="run", object_id="spoilt")
    assert "run:spoilt" in page(tenant)
    assert f'href="/t/{tenant.slug}/keys/{key.pk}/"' in text
    assert f"apikey:{key.pk}" in text


def test_filters_and_pages_are_in_the_address(tenant: Tenant) -> None:
    act(tenant, times=60)
    first = page(tenant)
    cursor = re.search(r"cursor=(\w+)", first)
    assert cursor is not None
    assert first.count('id="e-') == 50
    assert page(tenant, f"?cursor={cursor[1]}").count('id="e-') == 11
    assert page(tenant, "?action=tenant").count('id="e-') == 1
    assert page(tenant, "?action=tenant.created").count('id="e-') == 1
    assert page(tenant, f"?object=tenant:{tenant.pk}").count('id="e-') == 50
    assert "Nothing like this happened" in page(tenant, "?object=run")
    by_staff = page(tenant, "?actor=staff").count('id="e-')
    by_system = page(tenant, "?actor=system").count('id="e-')
    by_owner = page(tenant, f"?actor=user:{owner_of(tenant).id}").count('id="e-')
    assert by_staff + by_system + by_owner == 61
    assert "Nothing like this happened" in page(tenant, "?to=2026-01-01")
    assert page(tenant, "?from=2026-01-01&to=2999-01-01").count('id="e-') == 50
    client = signed_in(tenant.memberships.get(role="owner").user)
    for query in ("actor=x", "action=a.b.c", "object=a-b", "from=yesterday", "to=9999-12-31T99"):
        answer = client.get(f"/t/{tenant.slug}/settings/audit/?{query}")
        assert answer.status_code == 422, query
        assert "Write it like this" in answer.content.decode()


def test_only_members_who_may_read_the_trail_see_it(tenant: Tenant) -> None:
    for role, status in (("admin", 200), ("builder", 403), ("viewer", 403), ("billing", 403)):
        client = signed_in(add_member(tenant, role))
        for path in ("settings/audit/", "settings/audit/export.jsonl", "api/v1/audit"):
            assert client.get(f"/t/{tenant.slug}/{path}").status_code == status, (role, path)
    client = Client()
    plain, auditor = make_key(tenant), make_key(tenant, ["audit"])
    assert client.get("/api/v1/audit", **bearer(plain)).status_code == 403
    assert client.get("/api/v1/audit", **bearer(auditor)).status_code == 200
    assert client.get("/api/v1/datasets", **bearer(auditor)).status_code == 403


def test_the_api_answers_events_with_actor_and_seal_a_page_at_a_time(tenant: Tenant) -> None:
    key = make_key(tenant, ["audit"])
    services.trail_seal()
    act(tenant, times=3)
    client = Client()
    answer = client.get("/api/v1/audit?limit=3", **bearer(key)).json()
    assert answer["has_more"]
    assert [row["seal"] for row in answer["data"]] == [None] * 3
    rest = client.get(answer["next"], **bearer(key)).json()
    assert [row["action"] for row in rest["data"]] == ["key.created", "tenant.created"]
    assert [row["seal"]["seq"] for row in rest["data"]] == [2, 1]
    assert rest["data"][0]["actor"]["kind"] == "user"
    some = client.get("/api/v1/audit?action=key&object=apikey", **bearer(key)).json()
    assert [row["action"] for row in some["data"]] == ["key.created"]
    assert client.get("/api/v1/audit?from=soon", **bearer(key)).json()["code"] == "filter_invalid"


# --- words ------------------------------------------------------------------------------------


ACTION = re.compile(r"[a-z_]+\.[a-z_]+")


def recorded() -> set[str]:
    """Return every action that the platform's code records, read from its source."""
    found = set()
    for root in ("tenants", "training", "billing", "platform"):
        for path in (ROOT / root).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
                if name in {"audit.record", "_record", "_recorded"} and len(node.args) > 1:
                    texts = [one for one in ast.walk(node.args[1]) if isinstance(one, ast.Constant)]
                    found |= {str(one.value) for one in texts if ACTION.fullmatch(str(one.value))}
    return found


def test_every_recorded_act_has_words_and_a_heading() -> None:
    acts = recorded()
    assert len(acts) >= 60
    assert acts - set(words.ACTS) == set()
    assert {action.partition(".")[0] for action in words.ACTS} == set(words.GROUPS)
