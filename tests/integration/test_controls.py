"""What operators hold over tenants: suspension, limits, switches, flags, looks as support."""

from __future__ import annotations

import datetime as dt
import os
import secrets
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from django.core import signing
from django.core.cache import caches
from django.db import connection
from django.test import Client

from billing import entitlements, overrides
from billing.models import LimitOverride, StripeEvent
from modelyard.core import clock
from modelyard.core.errors import Conflict, Invalid
from tenants.controls import switches
from tenants.controls.flags import flag_is_active
from tenants.controls.models import OperatorAct, StaffSession
from tenants.controls.services import flags, staff, suspensions
from tenants.controls.services.switches import switch_set
from tenants.controls.tasks import recheck
from tenants.models import AuditEvent, Membership, Tenant, User
from tenants.scoping.context import tenant_scope
from tests.factories import add_member, bearer, make_key, make_tenant, signed_in
from tests.factories_controls import WHY, make_operator, override
from tests.factories_ops import make_run
from tests.stripe_stand import signed
from training.jobs import leases, recipes
from training.jobs.models import Run
from training.serving import door

pytestmark = pytest.mark.django_db(transaction=True)
API = "/api/v1/workspace"


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant(name="Acme")


@pytest.fixture(autouse=True, scope="module")
def _no_mux_left() -> Iterator[None]:
    yield
    if door._Process.mux is not None:
        door._Process.mux.close()
        door._Process.mux = None


def owner(tenant: Tenant) -> Client:
    return signed_in(Membership.objects.get(tenant=tenant, role="owner").user)


def acts(tenant: Tenant) -> list[str]:
    with tenant_scope(tenant.pk):
        rows = AuditEvent.objects.filter(actor_kind__in=["staff", "system"]).order_by("id")
        return list(rows.values_list("action", flat=True))


def facts(tenant: Tenant, action: str) -> dict[str, Any]:
    with tenant_scope(tenant.pk):
        found: dict[str, Any] = AuditEvent.objects.get(action=action).facts
        return found


def suspend(tenant: Tenant, reason: str = "An unpaid bill.") -> None:
    suspensions.tenant_suspend(operator=make_operator(), tenant_id=tenant.pk, reason=reason)


def resume(tenant: Tenant) -> None:
    suspensions.tenant_resume(operator=make_operator(), tenant_id=tenant.pk, reason=WHY)


def look(tenant: Tenant, user: User | None = None, *, write: bool = False) -> tuple[str, User]:
    """Make a staff session; return its link's path and the operator."""
    user = user or add_staff()
    _session, link = staff.session_make(
        operator=make_operator(user), tenant_id=tenant.pk, reason="Ticket 7", may_write=write
    )
    return f"/support/{link}", user


def add_staff() -> User:
    return User.objects.create_user(f"{secrets.token_hex(4)}@ops.test", is_staff=True, name="Olga")


def entered(tenant: Tenant, *, write: bool = False) -> Client:
    """Return a browser that has used a link."""
    client = Client()
    answer = client.get(look(tenant, write=write)[0])
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/t/{tenant.slug}/")
    return client


# --- Suspension -----------------------------------------------------------------------------------


def test_a_suspended_workspace_says_why_and_whom_to_write_to(tenant: Tenant, settings: Any) -> None:
    settings.SUPPORT_EMAIL = "help@modelyard.test"
    viewer, stranger = signed_in(add_member(tenant, "viewer")), signed_in(make_tenant_owner())
    suspend(tenant, "An <b>unpaid</b> bill.")
    page = viewer.get(f"/t/{tenant.slug}/")
    assert page.status_code == 403
    text = page.content.decode()
    for word in ("Acme is suspended", "An &lt;b&gt;unpaid&lt;/b&gt; bill.", "tenant_suspended"):
        assert word in text
    assert 'href="mailto:help@modelyard.test"' in text
    assert viewer.get(f"/t/{tenant.slug}/api/v1/workspace").json()["code"] == "tenant_suspended"
    assert viewer.post(f"/t/{tenant.slug}/datasets/new").status_code == 403
    assert stranger.get(f"/t/{tenant.slug}/").status_code == 404
    resume(tenant)
    assert viewer.get(f"/t/{tenant.slug}/").status_code == 200
    assert acts(tenant) == ["tenant.suspended", "tenant.resumed"]
    assert facts(tenant, "tenant.suspended")["reason"] == "An <b>unpaid</b> bill."


def make_tenant_owner() -> User:
    return make_tenant().memberships.get(role="owner").user


def test_the_owner_of_a_suspended_workspace_can_export_its_data_and_nothing_else(
    tenant: Tenant,
) -> None:
    boss, admin = owner(tenant), signed_in(add_member(tenant, "admin"))
    suspend(tenant)
    data = f"/t/{tenant.slug}/settings/data/"
    page = boss.get(data)
    assert page.status_code == 200
    assert "Only the export of its data is open." in page.content.decode()
    assert boss.post(f"{data}exports").status_code == 302
    assert data in boss.get(f"/t/{tenant.slug}/").content.decode()
    assert boss.post(f"{data}delete").status_code == 403
    assert admin.get(data).status_code == 403


def test_keys_of_a_suspended_workspace_are_refused_at_the_api_and_at_the_door(
    tenant: Tenant,
) -> None:
    key = bearer(make_key(tenant))
    ask = {"path": "/api/v1/deployments/none/predict", "content_type": "application/json"}
    before = Client().post(data={"inputs": "a"}, **ask, **key)
    # The door has a record of the key now, which must not outlive the suspension.
    assert (before.status_code, before.json()["code"]) == (404, "deployment_unknown")
    suspend(tenant)
    for answer in (Client().get(API, **key), Client().post(data={"inputs": "a"}, **ask, **key)):
        assert (answer.status_code, answer.json()["code"]) == (403, "tenant_suspended")
        assert "An unpaid bill" in answer.json()["detail"]
    resume(tenant)
    assert Client().get(API, **key).status_code == 200
    assert Client().post(data={"inputs": "a"}, **ask, **key).status_code == 404


def test_runs_of_a_suspended_workspace_are_cancelled_and_none_is_started(tenant: Tenant) -> None:
    waits, works = make_run(tenant, "queued"), make_run(tenant, "running", lease_owner="w")
    suspend(tenant)
    assert [state(run) for run in (waits, works)] == ["cancelled", "cancelling"]
    late = make_run(tenant, "queued")  # came in at the same moment
    assert leases.claim(tenant_id=tenant.pk, run_id=late.pk, owner="w") is None
    recheck()
    assert state(late) == "cancelled"


def state(run: Run) -> str:
    with tenant_scope(run.tenant_id):
        return str(Run.objects.get(pk=run.pk).status)


def test_a_suspension_needs_a_reason_and_a_second_one_is_refused(tenant: Tenant) -> None:
    with pytest.raises(Invalid):
        suspend(tenant, " \x00 ")
    with pytest.raises(Conflict):
        resume(tenant)
    suspend(tenant)
    with pytest.raises(Conflict):
        suspend(tenant)
    assert acts(tenant) == ["tenant.suspended"]


# --- Limits ---------------------------------------------------------------------------------------


def test_an_expired_override_counts_no_longer_and_stays_as_history(
    tenant: Tenant, settings: Any
) -> None:
    settings.BILLING = "sandbox"
    plan = entitlements.current(tenant.pk)
    assert plan.limits["predictions"] == 1000
    row = overrides.override_set(
        operator=make_operator(), tenant_id=tenant.pk, limit="predictions", value=5000,
        expires_at=clock.now() + dt.timedelta(hours=1), reason=WHY,
    )  # fmt: skip
    now = entitlements.current(tenant.pk)
    assert (now.limits["predictions"], now.until) == (5000, row.expires_at)
    with tenant_scope(tenant.pk):
        LimitOverride.objects.update(expires_at=clock.now())
    over = entitlements.current(tenant.pk)
    assert (over.limits["predictions"], over.until) == (1000, plan.until)
    override(tenant, predictions=9)
    shown = overrides.override_list(tenant.pk)
    assert [(one.amount, one.state) for one in shown] == [("9", "active"), ("5,000", "stopped")]
    overrides.override_end(
        operator=make_operator(), tenant_id=tenant.pk, override_id=shown[0].row.pk, reason=WHY
    )
    assert entitlements.current(tenant.pk).limits["predictions"] == 1000
    assert acts(tenant) == ["limit.overridden", "limit.overridden", "limit.override_ended"]


@pytest.mark.parametrize(
    "wrong",
    [{"limit": "moons"}, {"value": -1}, {"expires_at": clock.now()}, {"reason": ""}],
)
def test_an_override_that_makes_no_sense_is_refused(tenant: Tenant, wrong: dict[str, Any]) -> None:
    right = {"limit": "seats", "value": 3, "expires_at": None, "reason": WHY}
    with pytest.raises(Invalid):
        overrides.override_set(operator=make_operator(), tenant_id=tenant.pk, **{**right, **wrong})
    assert overrides.override_list(tenant.pk) == []


# --- Switches -------------------------------------------------------------------------------------


def stop(name: str, note: str = "") -> None:
    switch_set(operator=make_operator(), name=name, stopped=True, note=note, reason=WHY)


def start(name: str) -> None:
    switch_set(operator=make_operator(), name=name, stopped=False, reason=WHY)


def test_a_switched_off_sign_up_says_so_and_makes_nobody() -> None:
    form = {"email": "new@example.com", "password1": "correct horse battery"}
    stop("signup", "We are back on Monday.")
    for page in (Client().get("/accounts/signup/"), Client().post("/accounts/signup/", form)):
        text = page.content.decode()
        assert "Sign-up is closed" in text
        assert "We are back on Monday." in text
    assert not User.objects.filter(email="new@example.com").exists()
    start("signup")
    assert "Sign-up is closed" not in Client().get("/accounts/signup/").content.decode()
    Client().post("/accounts/signup/", form)
    assert User.objects.filter(email="new@example.com").exists()


def test_paused_training_refuses_new_runs_and_lets_queued_ones_wait(tenant: Tenant) -> None:
    run, boss = make_run(tenant, "queued"), owner(tenant)
    failed = make_run(tenant)
    with tenant_scope(tenant.pk):
        Run.objects.update(spec=recipes.spec_build("quick", {}).to_json())
    stop("training", "New machines come at noon.")
    key = bearer(make_key(tenant))
    body = {"dataset_version_id": str(run.dataset_version_id), "model_name": "m"}
    answer = Client().post("/api/v1/runs", body, content_type="application/json", **key)
    assert (answer.status_code, answer.json()["code"]) == (503, "training_paused")
    assert "New machines come at noon." in answer.json()["detail"]
    again = Client().post(f"/api/v1/runs/{failed.pk}/retry", **key)
    assert (again.status_code, again.json()["code"]) == (503, "training_paused")
    assert leases.claim(tenant_id=tenant.pk, run_id=run.pk, owner="w") is None
    page = f"/t/{tenant.slug}/runs/{run.pk}/"
    text = boss.get(page).content.decode()
    assert "Training is paused for the moment" in text
    assert "New machines come at noon." in text
    start("training")
    assert "Training is paused" not in boss.get(page).content.decode()
    assert leases.claim(tenant_id=tenant.pk, run_id=run.pk, owner="w") is not None


def test_stopped_webhooks_are_stored_and_processed_once_they_run_again(settings: Any) -> None:
    settings.BILLING, settings.STRIPE_WEBHOOK_SECRETS = "sandbox", ["whsec_x"]
    thing = {"id": "cus_nobody", "object": "customer"}
    event = {
        "id": "evt_1",
        "object": "event",
        "type": "customer.updated",
        "data": {"object": thing},
    }
    body, signature = signed(event, "whsec_x")
    stop("webhooks")
    answer = Client().post(
        "/stripe/webhook", body, content_type="application/json", HTTP_STRIPE_SIGNATURE=signature
    )
    assert answer.json() == {"received": True}
    StripeEvent.objects.update(received_at=clock.now() - dt.timedelta(minutes=5))
    assert StripeEvent.objects.get().processed_at is None
    start("webhooks")
    done = StripeEvent.objects.get()
    assert done.processed_at is not None
    assert done.error == "customer_unknown"


def test_the_maintenance_banner_stands_on_every_page(tenant: Tenant) -> None:
    stop("maintenance", "Down for <i>ten</i> minutes at 18:00 UTC.")
    boss = owner(tenant)
    paths = ("/accounts/login/", "/pricing", "/api/docs", "/nowhere")
    pages = [Client().get(path) for path in paths] + [boss.get(f"/t/{tenant.slug}/runs/")]
    for page in pages:
        assert "Down for &lt;i&gt;ten&lt;/i&gt; minutes" in page.content.decode()
    with pytest.raises(Conflict):
        stop("maintenance", "Down for <i>ten</i> minutes at 18:00 UTC.")
    start("maintenance")
    with pytest.raises(Invalid):
        stop("maintenance", " ")
    assert list(OperatorAct.objects.order_by("id").values_list("action", "subject", "reason")) == [
        ("switch.stopped", "maintenance", WHY),
        ("switch.started", "maintenance", WHY),
    ]


def test_a_switch_that_another_process_has_thrown_acts_within_two_seconds() -> None:
    assert not switches.is_stopped("training")
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into controls_switch (name, stopped, note, changed_at, changed_by)"
            " values ('training', true, '', now(), 'x')"
        )
    end = clock.now() + dt.timedelta(seconds=switches.KEPT_SECONDS + 0.2)
    while not switches.is_stopped("training"):
        assert clock.now() < end


# --- Flags ----------------------------------------------------------------------------------------


def test_a_flag_is_on_for_the_tenants_on_its_list_only(tenant: Tenant) -> None:
    other, who = make_tenant(), make_operator()
    assert flag_is_active(tenant, "new-report") is False
    flags.flag_make(operator=who, name="new-report", note="", reason=WHY)
    assert flag_is_active(tenant, "new-report") is False
    flags.flag_list(operator=who, tenant_id=tenant.pk, name="new-report", on=True, reason=WHY)
    assert [flag_is_active(one.pk, "new-report") for one in (tenant, other)] == [True, False]
    flags.flag_list(operator=who, tenant_id=tenant.pk, name="new-report", on=False, reason=WHY)
    assert flag_is_active(tenant, "new-report") is False
    with pytest.raises(Conflict):
        flags.flag_list(operator=who, tenant_id=tenant.pk, name="new-report", on=False, reason=WHY)
    assert acts(tenant) == ["flag.enabled", "flag.disabled"]
    assert acts(other) == []


def test_a_flag_can_be_on_for_all_for_none_and_for_a_steady_share() -> None:
    who, ids = make_operator(), [uuid.uuid4() for _ in range(400)]

    def change(**given: Any) -> list[bool]:
        flags.flag_set(operator=who, name="beta", reason=WHY, **given)
        return [flag_is_active(one, "beta") for one in ids]

    flags.flag_make(operator=who, name="beta", note="", reason=WHY)
    assert all(change(everyone=True, percent=Decimal("0")))
    some = change(everyone=None, percent=Decimal("25"))
    assert 50 < sum(some) < 150
    caches["flags"].clear()
    assert [flag_is_active(one, "beta") for one in ids] == some
    more = change(everyone=None, percent=Decimal("50"))
    assert all(after for before, after in zip(some, more, strict=True) if before)
    assert not any(change(everyone=False, percent=Decimal("50")))
    flags.flag_delete(operator=who, name="beta", reason=WHY)
    assert flag_is_active(ids[0], "beta") is False
    made = list(OperatorAct.objects.order_by("id").values_list("action", flat=True))
    assert made == ["flag.made", *["flag.changed"] * 4, "flag.deleted"]


# --- Looks as support -----------------------------------------------------------------------------


def test_an_operator_looks_as_support_with_a_banner_and_changes_nothing(tenant: Tenant) -> None:
    client = entered(tenant)
    for _ in range(2):
        page = client.get(f"/t/{tenant.slug}/runs/")
        text = page.content.decode()
        assert page.status_code == 200
        assert "<b>Olga</b> is looking at this workspace as support until" in text
        assert "Ticket 7" in text
    audit = client.get(f"/t/{tenant.slug}/settings/audit/")
    assert audit.status_code == 200
    assert ">General</a>" not in audit.content.decode()
    assert client.get(f"/t/{tenant.slug}/keys/").status_code == 403
    for method in ("post", "put", "patch", "delete"):
        answer = getattr(client, method)(f"/t/{tenant.slug}/api/v1/datasets")
        assert (answer.status_code, answer.json()["code"]) == (403, "staff_read_only")
    assert client.get(f"/t/{make_tenant().slug}/").status_code == 302
    assert acts(tenant) == [
        "staff.session_made", "staff.session_started",
        "staff.viewed", "staff.viewed", "staff.viewed",
    ]  # fmt: skip
    with tenant_scope(tenant.pk):
        seen = AuditEvent.objects.filter(action="staff.viewed").order_by("id")
        assert [(row.facts["path"], row.facts["reason"]) for row in seen] == [
            (f"/t/{tenant.slug}/{path}", "Ticket 7")
            for path in ("runs/", "settings/audit/", "keys/")
        ]
        assert {row.actor_kind for row in seen} == {"staff"}


def test_a_link_works_once_and_only_for_two_minutes(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _user = look(tenant)
    assert Client().get(path).status_code == 302
    second = Client().get(path)
    assert second.status_code == 403
    assert "staff_link_invalid" in second.content.decode()
    assert "staff" not in second.cookies
    old, _user = look(tenant)
    monkeypatch.setattr(staff, "LINK_SECONDS", -1)
    assert Client().get(old).status_code == 403
    monkeypatch.undo()
    assert Client().get(old).status_code == 302


def test_nobody_makes_a_link_or_a_cookie_but_the_console(tenant: Tenant) -> None:
    path, _user = look(tenant)
    with tenant_scope(tenant.pk):
        session = StaffSession.objects.get()
    secret = secrets.token_urlsafe(32)
    forged = [
        signing.dumps([tenant.pk.hex, session.pk.hex, secret], salt="modelyard.staff-link"),
        signing.dumps([tenant.pk.hex, session.pk.hex, secret], salt="x"),
        path.removeprefix("/support/")[:-1] + "x",
    ]
    for link in forged:
        assert Client().get(f"/support/{link}").status_code == 403
    member = signed_in(add_member(tenant, "labeler"))
    begun = f"{tenant.pk.hex}.{session.pk.hex}."
    other = f"{tenant.pk.hex}.{uuid.uuid4().hex}.{secret}"
    for value in (begun, begun + secret, other, "...", "x"):
        stranger = Client()
        for client in (member, stranger):
            client.cookies["staff"] = value
        assert member.get(f"/t/{tenant.slug}/settings/audit/").status_code == 403
        assert "/accounts/login/" in stranger.get(f"/t/{tenant.slug}/").headers["Location"]


def test_a_look_ends_by_its_button(tenant: Tenant) -> None:
    client = entered(tenant)
    page = client.post("/support/end")
    assert "Support session ended" in page.content.decode()
    assert client.cookies["staff"].value == ""
    assert "/accounts/login/" in client.get(f"/t/{tenant.slug}/").headers["Location"]
    assert facts(tenant, "staff.session_ended")["ended_by"] == "button"


def test_a_look_ends_by_time_by_revoke_and_with_the_operators_role(tenant: Tenant) -> None:
    def by_time() -> None:
        StaffSession.objects.update(expires_at=clock.now())

    def by_revoke() -> None:
        session = StaffSession.objects.get(ended_at=None)
        staff.session_revoke(
            operator=make_operator(), tenant_id=tenant.pk, session_id=session.pk, reason=WHY
        )

    def by_role() -> None:
        User.objects.update(is_staff=False)

    ways: list[Callable[[], None]] = [by_time, by_revoke, by_role]
    for way in ways:
        client = entered(tenant)
        assert client.get(f"/t/{tenant.slug}/").status_code == 200
        with tenant_scope(tenant.pk):
            way()
        over = client.get(f"/t/{tenant.slug}/")
        assert over.status_code == 403, way
        assert "staff_session_ended" in over.content.decode()
        recheck()
    ends = [act for act in acts(tenant) if act == "staff.session_ended"]
    assert len(ends) == 2  # the third ends with its time
    recheck()
    with tenant_scope(tenant.pk):
        rows = AuditEvent.objects.filter(action="staff.session_ended").order_by("id")
        assert [row.facts["ended_by"] for row in rows] == ["time", "revoked"]


def test_an_operator_who_is_a_member_never_acts_as_themselves_while_looking(
    tenant: Tenant,
) -> None:
    boss = Membership.objects.get(tenant=tenant, role="owner").user
    User.objects.filter(pk=boss.pk).update(is_staff=True)
    client = signed_in(boss)
    client.get(look(tenant, boss)[0])
    assert client.post(f"/t/{tenant.slug}/datasets/new", {"name": "x"}).status_code == 403
    assert client.get(f"/t/{tenant.slug}/keys/").status_code == 403
    client.post("/support/end")
    assert client.get(f"/t/{tenant.slug}/keys/").status_code == 200


def test_a_look_that_may_write_leaves_a_line_for_each_change(tenant: Tenant) -> None:
    client = entered(tenant, write=True)
    url = f"/t/{tenant.slug}/api/v1/datasets"
    made = client.post(url, {"name": "from support"}, content_type="application/json")
    assert made.status_code == 201, made.content
    assert client.post(f"/t/{tenant.slug}/api/v1/keys", {}).status_code == 403
    found = [act for act in acts(tenant) if act in {"staff.acted", "dataset.created"}]
    assert found == ["staff.acted", "dataset.created", "staff.acted"]
    strict = Client(enforce_csrf_checks=True)
    strict.get(look(tenant, write=True)[0])
    refused = strict.post(url, {"name": "forged"}, content_type="application/json")
    assert refused.status_code == 403


# --- What PostgreSQL itself refuses ---------------------------------------------------------------


def test_the_web_login_can_neither_suspend_nor_allow_nor_impersonate(tenant: Tenant) -> None:
    look(tenant)
    web = urlsplit(os.environ["WEB_DATABASE_URL"])
    path = f"/{connection.settings_dict['NAME']}"
    session = psycopg2.connect(web._replace(path=path).geturl())
    session.autocommit = True
    denied = [
        "update tenants_tenant set status = 'active'",
        "insert into controls_suspension (id) values (gen_random_uuid())",
        "update controls_suspension set ended_at = now()",
        "insert into controls_staffsession (id) values (gen_random_uuid())",
        "update controls_staffsession set expires_at = now(), may_write = true",
        "delete from controls_staffsession",
        "insert into controls_switch (name) values ('signup')",
        "update controls_switch set stopped = false",
        "insert into controls_flag (name) values ('x')",
        "insert into controls_flagtenant (id) values (gen_random_uuid())",
        "select * from controls_operatoract",
        "insert into billing_limitoverride (id) values (gen_random_uuid())",
        "update billing_limitoverride set value = null",
    ]
    try:
        with session.cursor() as cursor:
            cursor.execute("select set_config('app.tenant_id', %s, false)", [str(tenant.pk)])
            for statement in denied:
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute(statement)
            cursor.execute("update tenants_tenant set name = name where id = %s", [str(tenant.pk)])
            cursor.execute("select stopped from controls_switch")
            cursor.execute("select flag_id from controls_flagtenant")
            cursor.execute("update controls_staffsession set ended_at = now()")
            assert cursor.rowcount == 1
    finally:
        session.close()
