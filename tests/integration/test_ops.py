"""The operators' console, as a process of its own on the ops login, over HTTP."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from billing import plans, usage
from modelyard.core import valkey
from modelyard.core.errors import Unavailable
from modelyard.ops import fleet
from tenants.models import AuditEvent, Tenant, User
from tenants.scoping.context import ops_scope, tenant_scope
from tests.factories import add_member, make_tenant, make_user, signed_in
from tests.factories_ops import Console, make_run, make_staff, running_console, running_worker
from tests.factories_serving import deploy, make_version
from training.jobs.models import Run, RunEvent

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def console_url(django_db_setup: None) -> Iterator[str]:
    with running_console() as url:
        yield url


@pytest.fixture(autouse=True)
def _empty_broker() -> Iterator[None]:
    valkey.broker().flushdb()
    yield
    valkey.broker().flushdb()


@pytest.fixture
def console(console_url: str) -> Iterator[Console]:
    browser = Console(console_url)
    browser.sign_in(make_staff())
    yield browser
    browser.http.close()


def now_of(run: Run) -> Run:
    with tenant_scope(run.tenant_id):
        found: Run = Run.objects.get(pk=run.pk)
        return found


def acts_of(tenant: Tenant) -> list[tuple[str, str, str]]:
    with tenant_scope(tenant.pk):
        rows = AuditEvent.objects.filter(action__startswith="ops.")
        return list(rows.values_list("action", "actor_kind", "object_id"))


def test_staff_see_tenants_with_plan_members_and_what_they_used(console: Console) -> None:
    one, two = make_tenant(name="Acme"), make_tenant(name="Globex")
    add_member(one, "builder")
    with tenant_scope(two.pk):
        usage.record(
            tenant_id=two.pk, entry_id="req_1", meter=plans.PREDICTIONS, amount=4321, subject={}
        )
    page = console.get("/tenants/tenant/")
    assert page.status_code == 200
    assert "acme" in page.text
    assert "globex" in page.text
    assert "4,321" in page.text
    assert "Free" in page.text
    detail = console.get(f"/tenants/tenant/{one.pk}/change/")
    assert detail.status_code == 200
    assert re.search(r"Members.*?>\s*2\s*<", detail.text, re.DOTALL | re.IGNORECASE)


def test_staff_see_runs_of_all_tenants_and_the_log_of_each_in_order(console: Console) -> None:
    one, two = make_tenant(name="Acme"), make_tenant(name="Globex")
    run = make_run(one, error_code="worker_lost", error_message="The worker was lost.")
    make_run(two, "running", lease_owner="worker-7")
    page = console.get("/jobs/run/")
    for word in ("acme-intent #1", "globex-intent #1", "worker-7", "worker_lost"):
        assert word in page.text
    filtered = console.get("/jobs/run/?tenant=acme").text
    assert "acme-intent #1" in filtered
    assert "globex-intent #1" not in filtered
    detail = console.get(f"/jobs/run/{run.pk}/change/").text
    assert detail.index("line 1 &lt;b&gt;") < detail.index("line 2 &lt;b&gt;")
    assert "The worker was lost." in detail


def test_staff_see_the_deployments_of_all_tenants(console: Console, tmp_path: Path) -> None:
    one, two = make_tenant(name="Acme"), make_tenant(name="Globex")
    first = deploy(one, make_version(one, tmp_path), "tickets")
    deploy(two, make_version(two, tmp_path), "reviews")
    page = console.get("/serving/deployment/").text
    for word in ("tickets", "acme", "reviews", "globex"):
        assert word in page
    detail = console.get(f"/serving/deployment/{first.id}/change/")
    assert detail.status_code == 200
    assert "tickets" in detail.text


def test_every_page_of_the_console_opens_and_changes_nothing(console: Console) -> None:
    make_run(make_tenant())
    for path in (
        "/", "/tenants/tenant/", "/jobs/run/", "/serving/deployment/", "/billing/entry/",
        "/tenants/auditevent/", "/jobs/run/?q=x&status__exact=failed&error_code__icontains=lost",
        "/tenants/auditevent/?action__icontains=tenant&tenant=ac", "/password_change/",
    ):  # fmt: skip
        page = console.get(path)
        assert page.status_code == 200, path
        assert "Traceback" not in page.text
    assert console.get("/jobs/run/add/").status_code == 403
    with ops_scope("test"):
        event = AuditEvent.objects.first()
    page = f"/tenants/auditevent/{event.pk}/change/"
    assert console.get(page).status_code == 200
    assert console.post(page, "/jobs/run/", action="forged").status_code == 403
    assert console.post(page.replace("change", "delete"), "/", post="yes").status_code == 403
    assert console.get(page.replace("change", "history")).status_code == 404


def test_the_dashboard_counts_runs_by_state_and_what_waits_in_the_queues(console: Console) -> None:
    tenant = make_tenant(name="Acme")
    make_run(tenant, error_code="worker_lost")
    make_run(tenant, "queued")
    valkey.broker().lpush("celery:imports", *range(37))
    page = console.get("/").text
    assert re.search(r"Runs queued.*?>\s*1\s*<", page, re.DOTALL)
    assert re.search(r">\s*imports\s*<.*?>\s*37\s*<", page, re.DOTALL)
    assert "acme-intent #1" in page


def test_the_dashboard_names_the_workers_that_answer_and_those_that_no_longer_do(
    console: Console,
) -> None:
    name = "answering@here"
    with running_worker(name):
        valkey.cache().delete("cache:1:ops:replies")
        page = console.get("/").text
    assert re.search(rf"{name}\s*<.*?>\s*yes\s*<", page, re.DOTALL)
    valkey.cache().delete("cache:1:ops:replies")
    page = console.get("/").text
    assert re.search(rf"{name}\s*<.*?>\s*no\s*<", page, re.DOTALL)


def test_queues_that_do_not_answer_are_a_sentence_and_not_an_error_page(
    settings: Any,
) -> None:
    settings.BROKER_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(Unavailable, match="Valkey does not answer"):
        fleet.depths()


def test_requeue_puts_a_failed_run_back_and_stands_in_the_tenants_audit(console: Console) -> None:
    tenant, other = make_tenant(), make_tenant()
    run = make_run(tenant, error_code="worker_lost", error_message="The worker was lost.")
    page = f"/jobs/run/{run.pk}/change/"
    assert "Requeue" in console.get(page).text
    answer = console.post(f"/jobs/run/{run.pk}/requeue/", page)
    assert "is queued now" in answer.text
    assert (now_of(run).status, now_of(run).error_code, now_of(run).starts) == ("queued", "", 0)
    assert valkey.broker().llen("celery:training") == 1
    staff = User.objects.get(is_staff=True)
    with tenant_scope(tenant.pk):
        event = AuditEvent.objects.get(action="ops.run_requeued")
        assert RunEvent.objects.filter(run=run).count() == 3
    assert (event.actor_kind, event.actor_id) == ("staff", str(staff.pk))
    assert event.object_id == str(run.pk)
    assert event.request_id.startswith("req_")
    assert acts_of(other) == []


def test_cancel_stops_a_queued_run_and_asks_a_working_one_to_stop(console: Console) -> None:
    tenant, other = make_tenant(), make_tenant()
    queued, working = make_run(tenant, "queued"), make_run(other, "running")
    for run in (queued, working):
        console.post(f"/jobs/run/{run.pk}/cancel/", f"/jobs/run/{run.pk}/change/")
    assert now_of(queued).status == "cancelled"
    assert now_of(working).status == "cancelling"
    assert acts_of(tenant) == [("ops.run_cancelled", "staff", str(queued.pk))]
    assert acts_of(other) == [("ops.run_cancelled", "staff", str(working.pk))]


def test_an_act_on_many_does_what_it_can_and_says_why_not_for_the_rest(console: Console) -> None:
    one, two = make_tenant(), make_tenant()
    failed, cancelled = make_run(one), make_run(two, "cancelled")
    answer = console.http.post(
        "/jobs/run/",
        data={
            "csrfmiddlewaretoken": console.http.cookies["ops-csrf"],
            "action": "requeue_selected",
            "_selected_action": [str(failed.pk), str(cancelled.pk)],
        },
    )
    assert "is queued now" in answer.text
    assert "Only a failed run can be run again" in answer.text
    assert now_of(failed).status == "queued"
    assert now_of(cancelled).status == "cancelled"
    assert acts_of(two) == []


def test_an_act_needs_a_post_with_the_forms_token_and_a_run_that_exists(console: Console) -> None:
    run = make_run(make_tenant())
    assert console.get(f"/jobs/run/{run.pk}/requeue/").status_code == 405
    assert console.http.post(f"/jobs/run/{run.pk}/requeue/").status_code == 403
    assert console.post(f"/jobs/run/{make_user().pk}/requeue/", "/jobs/run/").status_code == 404
    assert now_of(run).status == "failed"


def test_a_member_who_is_not_staff_can_not_sign_in(console_url: str) -> None:
    browser = Console(console_url)
    member = make_staff()
    User.objects.filter(pk=member.pk).update(is_staff=False)
    make_tenant(member)
    page = browser.sign_in(member)
    assert 'id="login-form"' in page.text
    assert "ops-session" not in browser.http.cookies
    assert 'id="login-form"' in browser.get("/jobs/run/").text


def test_whoever_stops_being_staff_is_out_at_once(console: Console) -> None:
    assert 'id="login-form"' not in console.get("/jobs/run/").text
    User.objects.update(is_staff=False)
    assert 'id="login-form"' in console.get("/jobs/run/").text


def test_a_session_of_the_site_opens_nothing_in_the_console(console_url: str) -> None:
    session = signed_in(make_staff()).cookies["session"].value
    browser = Console(console_url)
    browser.http.cookies.set("ops-session", session)
    assert 'id="login-form"' in browser.get("/tenants/tenant/").text


def test_ten_failed_tries_close_the_door_even_to_the_right_password(console_url: str) -> None:
    staff, other = make_staff(), make_staff()
    browser = Console(console_url)
    for _ in range(10):
        assert "Too many failed tries" not in browser.sign_in(staff, "wrong").text
    assert "Too many failed tries" in browser.sign_in(staff).text
    assert 'id="login-form"' not in browser.sign_in(other).text


def test_the_consoles_addresses_are_not_on_the_web_process() -> None:
    member = make_user()
    make_tenant(member)
    client = signed_in(member)
    for path in ("/tenants/tenant/", "/jobs/run/", "/billing/entry/", "/login/", "/admin/"):
        assert client.get(path).status_code == 404, path


def test_the_web_login_may_not_become_the_ops_role() -> None:
    login = urlsplit(os.environ["WEB_DATABASE_URL"])
    database = login._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    web = psycopg2.connect(database)
    try:
        with web.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("set role modelyard_ops")
    finally:
        web.close()


def test_a_tenants_scope_inside_the_ops_scope_narrows_and_gives_back() -> None:
    one, two = make_tenant(), make_tenant()
    with ops_scope("test"):
        with tenant_scope(one.pk):
            assert {row.tenant_id for row in AuditEvent.objects.all()} == {one.pk}
            AuditEvent.objects.create(
                actor_kind="staff", actor_id="x", action="ops.x", object_kind="run", object_id="x"
            )
        assert {row.tenant_id for row in AuditEvent.objects.all()} == {one.pk, two.pk}
        with connection.cursor() as cursor:
            cursor.execute("select current_user, current_setting('app.tenant_id', true)")
            assert cursor.fetchone() == ("modelyard_ops", "")
    assert [row[0] for row in acts_of(one)] == ["ops.x"]
    assert acts_of(two) == []


def test_the_staff_command_makes_an_operator_and_takes_it_back(console_url: str) -> None:
    out = io.StringIO()
    call_command("staff", "Ada@Example.com", stdout=out)
    password = out.getvalue().split(": ")[-1].strip()
    ada = User.objects.get(email="ada@example.com")
    assert ada.is_staff
    assert ada.check_password(password)
    call_command("staff", "ada@example.com", "--revoke", stdout=out)
    ada.refresh_from_db()
    assert not ada.is_staff
    with pytest.raises(CommandError, match="is no operator"):
        call_command("staff", "ada@example.com", "--revoke")
    with pytest.raises(CommandError, match="not an e-mail address"):
        call_command("staff", "ada")


def test_the_consoles_answers_carry_its_own_policy_and_cookies(console: Console) -> None:
    page = console.get("/jobs/run/")
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval'" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["X-Frame-Options"] == "DENY"
    assert {"ops-session", "ops-csrf"} <= set(console.http.cookies)
