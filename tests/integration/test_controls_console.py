"""The console's pages of the controls, over HTTP to its own process on the ops login."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from billing import overrides
from tenants.controls import switches
from tenants.controls.flags import flag_is_active
from tenants.controls.models import OperatorAct, StaffSession, Switch
from tenants.models import AuditEvent, Membership, Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import make_tenant, signed_in
from tests.factories_ops import Console, make_staff

pytestmark = pytest.mark.django_db(transaction=True)
WHY = "Asked for on the phone"


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant(name="Acme")


def at(url: str, role: str) -> Console:
    console = Console(url)
    console.sign_in(make_staff(role))
    return console


def page_of(tenant: Tenant) -> str:
    return f"/tenants/tenant/{tenant.pk}/change/"


def act(console: Console, tenant: Tenant, name: str, **form: str) -> tuple[int, str]:
    answer = console.post(
        f"/tenants/tenant/{tenant.pk}/{name}/", page_of(tenant), **{"reason": WHY, **form}
    )
    return answer.status_code, answer.text


def trail(tenant: Tenant) -> list[tuple[str, str]]:
    with tenant_scope(tenant.pk):
        rows = AuditEvent.objects.filter(actor_kind="staff").order_by("id")
        return [(row.action, row.facts["reason"]) for row in rows]


def test_operations_suspend_and_resume_and_support_may_not(
    console_url: str, tenant: Tenant
) -> None:
    ops, support = at(console_url, "ops"), at(console_url, "support")
    member = signed_in(Membership.objects.get(tenant=tenant).user)
    assert act(support, tenant, "suspend", confirm="acme")[0] == 403
    assert "Type the workspace" in act(ops, tenant, "suspend", confirm="other")[1]
    assert "Say why in" in act(ops, tenant, "suspend", confirm="acme", reason=" ")[1]
    assert member.get("/t/acme/").status_code == 200
    assert "Acme is suspended." in act(ops, tenant, "suspend", confirm="acme")[1]
    assert member.get("/t/acme/").status_code == 403
    shown = support.get(page_of(tenant)).text
    assert "Suspended by" in shown
    assert "Resume" not in shown
    assert "is open again" in act(ops, tenant, "resume")[1]
    assert member.get("/t/acme/").status_code == 200
    assert trail(tenant) == [("tenant.suspended", WHY), ("tenant.resumed", WHY)]


def test_support_opens_a_workspace_to_look_and_nobody_changes_without_saying_so(
    console_url: str, tenant: Tenant
) -> None:
    support, ops = at(console_url, "support"), at(console_url, "ops")
    assert act(support, tenant, "look", mode="write", agreed="1")[0] == 403
    assert "Say that the workspace agreed" in act(ops, tenant, "look", mode="write")[1]
    assert trail(tenant) == []
    status, text = act(support, tenant, "look")
    found = re.search(r'id="look-link" href="[^"]*(/support/[^"]+)"', text)
    assert status == 200
    assert found is not None
    client = Client()
    assert client.get(found[1]).status_code == 302
    assert "is looking at this workspace as support" in client.get("/t/acme/").content.decode()
    assert trail(tenant)[0] == ("staff.session_made", WHY)
    with tenant_scope(tenant.pk):
        session = StaffSession.objects.get()
    assert "The session has ended." in act(ops, tenant, "look_end", session=str(session.pk))[1]
    assert client.get("/t/acme/").status_code == 403
    assert [action for action, _why in trail(tenant)] == [
        "staff.session_made", "staff.session_started", "staff.viewed", "staff.session_ended",
    ]  # fmt: skip
    assert "link_digest" not in act(ops, tenant, "look", mode="write", agreed="1")[1]


def test_billing_sets_limits_and_operations_may_not(console_url: str, tenant: Tenant) -> None:
    billing, ops = at(console_url, "billing"), at(console_url, "ops")
    form = {"limit": "train_ms", "amount": "2.5", "expires": "30"}
    assert act(ops, tenant, "override", **form)[0] == 403
    for wrong in ({"amount": "much"}, {"amount": "NaN"}, {"expires": ""}, {"limit": "moons"}):
        status, text = act(billing, tenant, "override", **{**form, **wrong})
        assert status == 200
        assert "from now on" not in text
    assert trail(tenant) == []
    assert "2 h 30 min from now on" in act(billing, tenant, "override", **form)[1]
    (row,) = overrides.override_list(tenant.pk)
    assert (row.row.value, row.state) == (9_000_000, "active")
    assert act(billing, tenant, "override_end", override="x")[0] == 200
    act(billing, tenant, "override_end", override=str(row.row.pk))
    assert [one.state for one in overrides.override_list(tenant.pk)] == ["stopped"]
    assert trail(tenant) == [("limit.overridden", WHY), ("limit.override_ended", WHY)]
    assert act(billing, tenant, "suspend", confirm="acme")[0] == 403


def test_a_switch_is_thrown_by_the_second_step_only(console_url: str) -> None:
    ops, billing = at(console_url, "ops"), at(console_url, "billing")
    assert billing.get("/switches/").status_code == 403
    form = {"stop": "1", "note": "Back at noon.", "reason": WHY}
    first = ops.post("/switches/signup/", "/switches/", **form)
    assert "Type signup to confirm" in first.text
    assert "Nobody can make an account" in first.text
    wrong = ops.post("/switches/signup/", "/switches/", **form, confirm="sign")
    assert "Type signup to confirm" in wrong.text
    assert not Switch.objects.exists()
    assert (
        "Sign-up: stopped."
        in ops.post("/switches/signup/", "/switches/", **form, confirm="signup").text
    )
    switches.forget()
    assert "Sign-up is closed" in Client().get("/accounts/signup/").content.decode()
    made = OperatorAct.objects.values_list("action", "subject", "reason")
    assert list(made) == [("switch.stopped", "signup", WHY)]
    assert ops.post("/switches/moon/", "/switches/", **form).status_code == 404


def test_flags_are_made_in_the_console_and_aimed_at_a_workspace(
    console_url: str, tenant: Tenant
) -> None:
    ops = at(console_url, "ops")
    made = ops.post("/flags/make/", "/flags/", name="New Report", note="", reason=WHY)
    assert "Use 2 to 60 lower-case letters" in made.text
    ops.post("/flags/make/", "/flags/", name="new-report", note="The new one", reason=WHY)
    assert "The new one" in ops.get(page_of(tenant)).text
    assert "is on for Acme" in act(ops, tenant, "flag", flag="new-report", on="1")[1]
    assert flag_is_active(tenant, "new-report")
    assert not flag_is_active(make_tenant(), "new-report")
    for everyone, percent, said in (
        ("moon", "", "Choose for whom"), ("list", "x", "Give a percentage"),
        ("list", "100", "Give a percentage"), ("off", "12.5", "new-report is changed"),
    ):  # fmt: skip
        form = {"name": "new-report", "everyone": everyone, "percent": percent, "reason": WHY}
        assert said in ops.post("/flags/set/", "/flags/", **form).text
    assert trail(tenant) == [("flag.enabled", WHY)]
    assert "is gone" in ops.post("/flags/delete/", "/flags/", name="new-report", reason=WHY).text
    actions = list(OperatorAct.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["flag.made", "flag.changed", "flag.deleted"]
