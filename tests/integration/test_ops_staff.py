"""Who gets into the console, with which role, and what PostgreSQL refuses whatever we say."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg2
import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from billing import plans, usage
from modelyard.ops import roles, second_factor
from tenants import access, audit
from tenants.models import User
from tenants.scoping.context import tenant_scope
from tests.factories import make_tenant, make_user, signed_in
from tests.factories_ops import (
    PASSWORD,
    Console,
    code_of,
    enrol,
    make_run,
    make_staff,
)

pytestmark = pytest.mark.django_db(transaction=True)
LOGIN = 'id="login-form"'


@pytest.fixture
def console(console_url: str) -> Iterator[Console]:
    browser = Console(console_url)
    yield browser
    browser.http.close()


def refused_to(name: str, *statements: str) -> None:
    """Run the statements on a login's own connection; each must be refused."""
    login = urlsplit(os.environ[name])
    database = login._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    with psycopg2.connect(database) as own, own.cursor() as cursor:
        for statement in statements:
            refusal = "permission denied|only the owner of the schema|must be owner"
            with pytest.raises(psycopg2.errors.InsufficientPrivilege, match=refusal):
                cursor.execute(statement)
            own.rollback()


def test_a_password_alone_opens_nothing(console: Console) -> None:
    staff = make_staff()
    page = console.password(staff)
    assert page.url.path == "/login/code/"
    for path in ("/", "/jobs/run/", "/letters/", "/tenants/tenant/"):
        assert LOGIN in console.get(path).text
    assert 'aria-current="page"' in console.code(code_of(staff)).text
    assert LOGIN not in console.get("/jobs/run/").text


def test_the_second_step_without_the_first_leads_back(console: Console) -> None:
    staff = make_staff()
    assert console.get("/login/code/").url.path == "/login/"
    console.password(staff, "wrong")
    assert console.get("/login/code/").url.path == "/login/"


def test_whoever_has_no_second_factor_is_told_where_to_enrol(console: Console) -> None:
    page = console.password(make_staff(enrolled=False))
    assert "/accounts/2fa/" in page.text
    assert "no authenticator app yet" in page.text
    assert console.get("/login/code/").url.path == "/login/"


def test_a_code_opens_the_console_once(console_url: str) -> None:
    staff = make_staff()
    code = code_of(staff)
    first, second = Console(console_url), Console(console_url)
    first.password(staff)
    second.password(staff)
    assert LOGIN not in first.code(code).text
    assert "wrong or was used before" in second.code(code).text
    assert LOGIN in second.get("/").text


def test_a_code_is_not_taken_again_while_the_clock_tolerates_it() -> None:
    staff = make_staff()
    code = code_of(staff)
    assert second_factor.verify(staff, code)
    cache.delete(f"allauth.mfa.totp.used?user={staff.pk}&code={code}")
    assert not second_factor.verify(staff, code)


def test_codes_of_another_time_or_person_open_nothing(console: Console) -> None:
    staff, other = make_staff(), make_staff()
    console.password(staff)
    for code in (code_of(other), code_of(staff, steps=-20), code_of(staff, steps=20), "", "x"):
        page = console.code(code)
        assert LOGIN in page.text
    assert LOGIN in console.get("/jobs/run/").text


def test_five_wrong_codes_close_the_door_even_to_the_right_one(console: Console) -> None:
    staff = make_staff()
    console.password(staff)
    for _ in range(5):
        assert "wrong or was used before" in console.code("000000").text
    page = console.code(code_of(staff))
    assert "Too many wrong codes. Wait ten minutes" in page.text
    assert LOGIN in console.get("/").text


def test_a_recovery_code_opens_the_console_once(console_url: str) -> None:
    staff = make_staff()
    code = RecoveryCodes.activate(staff).get_unused_codes()[0]
    for expected in (True, False):
        browser = Console(console_url)
        browser.password(staff)
        browser.code(code)
        assert (LOGIN not in browser.get("/").text) == expected


def test_signing_in_changes_the_sessions_key(console: Console) -> None:
    staff = make_staff()
    console.password(staff)
    before = console.http.cookies["ops-session"]
    console.code(code_of(staff))
    assert console.http.cookies["ops-session"] != before


def test_signing_in_leads_only_to_the_console_itself(console: Console) -> None:
    staff = make_staff()
    page = "/login/?next=https://evil.example/"
    data = {"username": staff.email, "password": PASSWORD, "next": "https://evil.example/"}
    console.post("/login/", page, **data)
    assert console.code(code_of(staff)).url.path == "/"
    console.sign_out()
    time.sleep(0.01)
    other = make_staff()
    console.post("/login/", "/login/", **data | {"username": other.email, "next": "/letters/"})
    assert console.code(code_of(other)).url.path == "/letters/"


def test_a_member_who_is_not_staff_can_not_sign_in(console: Console) -> None:
    member = make_staff()
    User.objects.filter(pk=member.pk).update(is_staff=False)
    make_tenant(member)
    page = console.sign_in(member)
    assert LOGIN in page.text
    assert "ops-session" not in console.http.cookies
    assert LOGIN in console.get("/jobs/run/").text


def test_staff_without_a_role_can_not_sign_in(console: Console) -> None:
    page = console.sign_in(make_staff(""))
    assert "no role in the console" in page.text
    assert "ops-session" not in console.http.cookies


def test_whoever_stops_being_staff_or_loses_the_role_is_out_at_once(console: Console) -> None:
    for loss in (
        lambda user: User.objects.filter(pk=user.pk).update(is_staff=False),
        lambda user: user.groups.clear(),
    ):
        staff = make_staff()
        console.sign_in(staff)
        assert LOGIN not in console.get("/jobs/run/").text
        loss(staff)
        assert LOGIN in console.get("/jobs/run/").text


def test_a_session_of_the_site_opens_nothing_in_the_console(console: Console) -> None:
    session = signed_in(make_staff()).cookies["session"].value
    console.http.cookies.set("ops-session", session)
    assert LOGIN in console.get("/tenants/tenant/").text


def test_ten_failed_tries_close_the_door_even_to_the_right_password(console: Console) -> None:
    staff, other = make_staff(), make_staff()
    for _ in range(10):
        assert "Too many failed tries" not in console.sign_in(staff, "wrong").text
    assert "Too many failed tries" in console.sign_in(staff).text
    assert LOGIN not in console.sign_in(other).text


SEES = {
    "support": (200, 403, 403, 403),
    "billing": (200, 200, 200, 403),
    "ops": (200, 403, 200, 302),
    "superuser": (200, 200, 200, 302),
}
"""Role -> status of: runs, ledger, webhooks, an act on a run."""


@pytest.mark.parametrize("role", SEES)
def test_a_role_opens_what_it_is_for_and_nothing_else(console: Console, role: str) -> None:
    run = make_run(make_tenant(), error_code="stalled")
    console.sign_in(make_staff(role))
    console.http.follow_redirects = False
    pages = ("/jobs/run/", "/billing/entry/", "/billing/stripeevent/")
    found = [console.get(path).status_code for path in pages]
    act = console.post(f"/jobs/run/{run.pk}/requeue/", "/jobs/run/", reason="because")
    assert (*found, act.status_code) == SEES[role]
    page = console.get("/").text
    assert (">Ledger<" in page) == (SEES[role][1] == 200)
    replay = console.post("/letters/run/stalled/replay/", "/jobs/run/", reason="because")
    assert replay.status_code == SEES[role][3]


def test_a_refusal_names_the_roles_that_may(console: Console) -> None:
    run = make_run(make_tenant())
    console.sign_in(make_staff("support"))
    page = console.post(f"/jobs/run/{run.pk}/requeue/", "/jobs/run/", reason="because")
    assert page.status_code == 403
    assert "operations, superuser" in page.text
    assert "Requeue</button>" not in console.get(f"/jobs/run/{run.pk}/change/").text


def test_roles_are_of_active_staff_only() -> None:
    staff = make_staff("superuser")
    assert roles.may(staff, "runs.act")
    staff.is_active = False
    assert not roles.may(staff, "runs.act")
    member = make_user()
    member.groups.set([Group.objects.get_or_create(name="ops")[0]])
    assert roles.roles_of(member) == frozenset()
    named = make_user()
    named.is_staff = True
    named.groups.set([Group.objects.get_or_create(name="superuser")[0]])
    assert roles.roles_of(named) == frozenset()
    with pytest.raises(PermissionDenied):
        roles.require(named, "look")
    with pytest.raises(ValueError, match="no such act"):
        roles.may(staff, "runs.akt")


def test_the_staff_command_makes_an_operator_lists_and_takes_it_back(console: Console) -> None:
    out = io.StringIO()
    call_command("staff", "add", "Ada@Example.com", "--role", "ops", stdout=out)
    said = out.getvalue()
    password = said.split(": ")[-1].strip()
    ada = User.objects.get(email="ada@example.com")
    assert ada.is_staff
    assert ada.check_password(password)
    assert roles.roles_of(ada) == {roles.Role.OPS}
    assert "/accounts/2fa/" in said
    assert ada.emailaddress_set.get().verified
    enrol(ada)
    out = io.StringIO()
    call_command("staff", "list", stdout=out)
    assert out.getvalue() == "ada@example.com  ops, second factor\n"
    call_command("staff", "add", "ada@example.com", "--role", "superuser", stdout=out)
    ada = User.objects.get(pk=ada.pk)
    assert (ada.is_superuser, ada.groups.count()) == (True, 0)
    assert Authenticator.objects.filter(user=ada).count() == 1
    call_command("staff", "revoke", "ada@example.com", stdout=out)
    ada.refresh_from_db()
    assert (ada.is_staff, ada.is_superuser) == (False, False)
    with pytest.raises(CommandError, match="is no operator"):
        call_command("staff", "revoke", "ada@example.com")
    with pytest.raises(CommandError, match="not an e-mail address"):
        call_command("staff", "add", "ada", "--role", "ops")
    with pytest.raises(CommandError, match="invalid choice"):
        call_command("staff", "add", "ada@example.com", "--role", "boss")


def test_neither_the_web_nor_the_console_can_make_an_operator() -> None:
    member, group = make_user(), Group.objects.get_or_create(name="ops")[0]
    pair = f"('{member.pk}', {group.pk})"
    fields = "id, email, password, name, is_active, is_staff, is_superuser, date_joined"
    made = "gen_random_uuid(), 'x@example.com', '', '', true"
    for login in ("WEB_DATABASE_URL", "OPS_DATABASE_URL"):
        refused_to(
            login,
            f"update tenants_user set is_staff = true where id = '{member.pk}'",
            f"update tenants_user set is_superuser = true where id = '{member.pk}'",
            f"insert into tenants_user ({fields}) values ({made}, true, false, now())",
            f"insert into tenants_user ({fields}) values ({made}, false, true, now())",
            f"insert into tenants_user_groups (user_id, group_id) values {pair}",
            f"update tenants_user_groups set user_id = '{member.pk}'",
            "insert into auth_group (name) values ('superuser')",
            f"update auth_group set name = 'superuser' where id = {group.pk}",
            "alter table tenants_user disable trigger ops_guard_flags",
        )


def test_the_staff_command_says_whose_login_it_needs() -> None:
    login = urlsplit(os.environ["OPS_DATABASE_URL"])
    database = login._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    done = subprocess.run(
        [sys.executable, "-m", "modelyard", "staff", "add", "eve@example.com", "--role", "ops"],
        env={**os.environ, "DATABASE_URL": database},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Only the owner of the schema makes operators." in done.stderr
    assert "Traceback" not in done.stderr
    assert not User.objects.filter(email="eve@example.com").exists()


def test_the_web_still_signs_people_up_and_changes_them() -> None:
    login = urlsplit(os.environ["WEB_DATABASE_URL"])
    database = login._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    staff = make_staff()
    with psycopg2.connect(database) as own, own.cursor() as cursor:
        cursor.execute("update tenants_user set name = 'Ada' where id = %s", [str(staff.pk)])
        assert cursor.rowcount == 1
        own.rollback()


def test_trail_ledger_and_events_only_grow_for_the_operators_too() -> None:
    tenant = make_tenant()
    make_run(tenant)
    with tenant_scope(tenant.pk):
        audit.record(access.system(tenant.pk), "x.y", tenant)
        usage.record(
            tenant_id=tenant.pk, entry_id="req_1", meter=plans.PREDICTIONS, amount=1, subject={}
        )
    tables = ("tenants_auditevent", "billing_entry", "jobs_runevent")
    for role in ("", "set role modelyard_ops; "):
        for table in tables:
            refused_to(
                "OPS_DATABASE_URL",
                f"{role}update {table} set tenant_id = tenant_id",
                f"{role}delete from {table}",
                f"{role}truncate {table}",
            )


def test_the_web_login_may_not_become_the_ops_role() -> None:
    refused_to("WEB_DATABASE_URL", "set role modelyard_ops")
