"""People of a workspace: roles, leaving, ownership, invitations, seats."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client

from billing import entitlements, plans
from modelyard.core import clock
from modelyard.core.errors import Conflict, DomainError, Forbidden
from tenants.access import ROLE_PERMISSIONS, Actor
from tenants.identity.fresh import SIGNED_IN_AT
from tenants.members import selectors
from tenants.members.models import Invitation
from tenants.members.services import invitations, people
from tenants.models import ApiKey, AuditEvent, Membership, Role, Tenant, User
from tenants.scoping.context import tenant_scope
from tests.factories import (
    add_member,
    bearer,
    make_key,
    make_tenant,
    make_user,
    owner_of,
    signed_in,
)
from tests.factories_members import make_invitation, make_place, token_of

pytestmark = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True)
"""For tests in which mails leave, or two act at once."""
PASSWORD = "a long enough password"


def actor_of(place: Membership) -> Actor:
    return Actor("user", str(place.user_id), place.tenant_id, ROLE_PERMISSIONS[place.role])


def owner_place(tenant: Tenant) -> Membership:
    return Membership.objects.get(tenant=tenant, role="owner")


def stale(user: User) -> Client:
    """Return a browser in which the person signed in long ago."""
    client = signed_in(user)
    session = client.session
    session["account_authentication_methods"] = []
    session[SIGNED_IN_AT] = 0.0
    session.save()
    return client


def acts(tenant: Tenant) -> list[str]:
    with tenant_scope(tenant.pk):
        return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


# --- Workspaces ---------------------------------------------------------------------------


def test_a_person_has_several_workspaces_and_the_switcher_leads_to_each() -> None:
    user = make_user()
    first, second = make_tenant(user, "Larkspur"), make_tenant(user, "Kestrel")
    page = signed_in(user).get(f"/t/{first.slug}/settings/").content.decode()
    assert f'href="/t/{second.slug}/"' in page
    assert 'href="/new"' in page


def test_a_workspace_is_renamed_and_its_address_stays() -> None:
    tenant = make_tenant(name="Old")
    client = signed_in(owner_place(tenant).user)
    answer = client.post(f"/t/{tenant.slug}/settings/", {"name": "  New \n name "})
    assert answer.status_code == 302
    renamed = Tenant.objects.get(pk=tenant.pk)
    assert (renamed.name, renamed.slug) == ("New name", tenant.slug)
    assert acts(tenant)[-1] == "workspace.renamed"
    for bad in ("", "   ", "x" * 121):
        answer = client.post(f"/t/{tenant.slug}/settings/", {"name": bad})
        assert (answer.status_code, "at most 120" in answer.content.decode()) == (422, True)
    assert Tenant.objects.get(pk=tenant.pk).name == "New name"


# --- Roles, leaving, ownership --------------------------------------------------------------


def test_an_owner_changes_a_role_and_it_counts_at_once() -> None:
    tenant = make_tenant()
    place = make_place(tenant, "viewer")
    theirs = signed_in(place.user)
    assert theirs.get(f"/t/{tenant.slug}/keys/").status_code == 403
    owner = signed_in(owner_place(tenant).user)
    url = f"/t/{tenant.slug}/settings/members/{place.pk}/role"
    assert owner.post(url, {"role": "admin"}).status_code == 302
    assert theirs.get(f"/t/{tenant.slug}/keys/").status_code == 200
    assert owner.post(url, {"role": "emperor"}).status_code == 422
    assert acts(tenant)[-1] == "member.role_changed"


def test_an_admin_can_not_make_owners_nor_touch_one() -> None:
    tenant = make_tenant()
    admin, viewer = actor_of(make_place(tenant, "admin")), make_place(tenant)
    owner = owner_place(tenant)
    with tenant_scope(tenant.pk):
        for refused in (
            lambda: people.member_set_role(actor=admin, member_id=viewer.pk, role="owner"),
            lambda: people.member_set_role(actor=admin, member_id=owner.pk, role="viewer"),
            lambda: people.member_remove(actor=admin, member_id=owner.pk),
            lambda: people.ownership_transfer(actor=admin, member_id=viewer.pk),
            lambda: invitations.invitation_create(actor=admin, email="a@b.co", role="owner"),
        ):
            with pytest.raises(Forbidden):
                refused()
        people.member_set_role(actor=admin, member_id=viewer.pk, role="builder")
    assert list(Membership.objects.filter(tenant=tenant, role="owner")) == [owner]
    page = signed_in(User.objects.get(pk=admin.id)).get(f"/t/{tenant.slug}/settings/members/")
    assert 'value="owner"' not in page.content.decode()


def test_the_last_owner_can_not_leave_be_removed_or_demoted_and_is_told_why() -> None:
    tenant = make_tenant()
    make_place(tenant, "admin")
    owner = owner_place(tenant)
    client, base = signed_in(owner.user), f"/t/{tenant.slug}/settings"
    assert "You are the only owner" in client.get(f"{base}/").content.decode()
    for url, data in (
        (f"{base}/leave", {}),
        (f"{base}/members/{owner.pk}/remove", {}),
        (f"{base}/members/{owner.pk}/role", {"role": "viewer"}),
    ):
        answer = client.post(url, data)
        assert answer.status_code == 409, url
        assert "Make somebody else an owner" in answer.content.decode()
    assert owner_place(tenant).pk == owner.pk


def at_once(*acts: Callable[[], object]) -> list[str]:
    """Do all at the same moment; return the codes of the refusals."""
    barrier, refused = threading.Barrier(len(acts)), []

    def go(act: Callable[[], object]) -> None:
        try:
            barrier.wait(10)
            act()
        except DomainError as error:
            refused.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=go, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return refused


def go_away(way: str, own: Membership, other: Membership) -> None:
    actor = actor_of(own)
    with tenant_scope(own.tenant_id):
        if way == "leave":
            people.member_leave(actor=actor)
        elif way == "demote":
            people.member_set_role(actor=actor, member_id=own.pk, role="viewer")
        else:
            people.member_remove(actor=actor, member_id=other.pk)


@committed
@pytest.mark.parametrize(
    ("way", "code"),
    [("leave", "last_owner"), ("demote", "last_owner"), ("remove", "forbidden")],
)
def test_of_two_owners_who_go_at_the_same_moment_one_stays(way: str, code: str) -> None:
    for _round in range(4):
        tenant = make_tenant()
        first, second = owner_place(tenant), make_place(tenant, "owner")
        refused = at_once(
            partial(go_away, way, first, second), partial(go_away, way, second, first)
        )
        assert refused == [code]
        assert Membership.objects.filter(tenant=tenant, role="owner").count() == 1


def test_ownership_is_handed_over_by_an_owner_who_has_just_signed_in() -> None:
    tenant = make_tenant()
    owner, heir = owner_place(tenant), make_place(tenant, "builder")
    url, data = f"/t/{tenant.slug}/settings/transfer", {"member": str(heir.pk)}
    refused = stale(owner.user).post(url, data)
    assert refused.status_code == 302
    assert refused.headers["Location"].startswith("/accounts/reauthenticate/")
    assert owner_place(tenant).pk == owner.pk
    client = signed_in(owner.user)
    assert client.post(url, {"member": str(owner.pk)}).status_code == 422
    assert client.post(url, {"member": "nobody"}).status_code == 422
    assert client.post(url, {"member": str(uuid.uuid4())}).status_code == 404
    assert client.post(url, data).headers["Location"] == f"/t/{tenant.slug}/settings/"
    assert owner_place(tenant).pk == heir.pk
    assert Membership.objects.get(pk=owner.pk).role == "admin"
    assert acts(tenant)[-1] == "ownership.transferred"


def test_an_old_sign_in_neither_removes_nor_demotes_an_owner() -> None:
    tenant = make_tenant()
    owner, other = owner_place(tenant), make_place(tenant, "owner")
    client, base = stale(owner.user), f"/t/{tenant.slug}/settings/members/{other.pk}"
    for url, data in ((f"{base}/remove", {}), (f"{base}/role", {"role": "viewer"})):
        answer = client.post(url, data)
        assert answer.headers["Location"].startswith("/accounts/reauthenticate/"), url
    url = f"/t/{tenant.slug}/api/v1/members/{other.pk}"
    asked = (
        client.delete(url),
        client.patch(url, {"role": "viewer"}, content_type="application/json"),
    )
    assert [one.json()["code"] for one in asked] == ["reauthentication_needed"] * 2
    assert Membership.objects.get(pk=other.pk).role == "owner"
    viewer = make_place(tenant)
    url = f"/t/{tenant.slug}/settings/members/{viewer.pk}/remove"
    assert client.post(url).headers["Location"] == f"/t/{tenant.slug}/settings/members/"


def test_who_was_demoted_while_an_act_waited_does_not_go_through_with_it() -> None:
    tenant = make_tenant()
    owner, admin = owner_place(tenant), make_place(tenant, "admin")
    viewer = make_place(tenant)
    second = make_place(tenant, "owner")
    # As when the request began; the demotion came first to the lock.
    was_owner, was_admin = actor_of(second), actor_of(admin)
    with tenant_scope(tenant.pk):
        people.member_set_role(actor=actor_of(owner), member_id=second.pk, role="viewer")
        people.member_remove(actor=actor_of(owner), member_id=admin.pk)
        for act in (
            lambda: people.ownership_transfer(actor=was_owner, member_id=viewer.pk),
            lambda: people.member_remove(actor=was_owner, member_id=owner.pk),
            lambda: people.member_set_role(actor=was_admin, member_id=viewer.pk, role="admin"),
            lambda: invitations.invitation_create(actor=was_admin, email="a@b.co", role="admin"),
        ):
            with pytest.raises(Forbidden):
                act()
    roles = dict(Membership.objects.filter(tenant=tenant).values_list("pk", "role"))
    assert roles == {owner.pk: "owner", viewer.pk: "viewer", second.pk: "viewer"}


def test_a_member_leaves_and_the_workspace_is_gone_for_them() -> None:
    tenant = make_tenant()
    user = add_member(tenant, "labeler")
    client = signed_in(user)
    answer = client.post(f"/t/{tenant.slug}/settings/leave", follow=True)
    assert answer.request["PATH_INFO"] == "/new", "who has no workspace is asked to make one"
    assert client.get(f"/t/{tenant.slug}/").status_code == 404
    assert acts(tenant)[-1] == "member.left"


def test_a_key_outlives_who_made_it_and_a_member_outlives_the_key() -> None:
    tenant = make_tenant()
    maker, text = owner_place(tenant), make_key(tenant)
    second = make_place(tenant, "owner")
    with tenant_scope(tenant.pk):
        people.member_remove(actor=actor_of(second), member_id=maker.pk)
    assert signed_in(maker.user).get(f"/t/{tenant.slug}/").status_code == 404
    assert Client().get("/api/v1/workspace", **bearer(text)).status_code == 200
    ApiKey.objects.filter(tenant=tenant).delete()
    assert signed_in(second.user).get(f"/t/{tenant.slug}/keys/").status_code == 200


# --- Invitations ----------------------------------------------------------------------------


@committed
def test_an_invitation_goes_by_mail_and_only_the_hash_of_its_token_is_stored() -> None:
    tenant = make_tenant(name="Larkspur")
    owner = owner_place(tenant).user
    answer = signed_in(owner).post(
        f"/t/{tenant.slug}/settings/invitations/", {"email": " Ann@Corp.test", "role": "builder"}
    )
    assert answer.status_code == 302
    invitation = Invitation.objects.get(tenant=tenant)
    assert (invitation.email, invitation.status) == ("ann@corp.test", "pending")
    token = token_of(invitation)
    assert token not in str(invitation.__dict__)
    assert invitation.digest == selectors.digest_of(token)
    assert invitation.expires_at - invitation.created_at > dt.timedelta(days=6, hours=23)
    letter = mail.outbox[-1]
    assert letter.to == ["ann@corp.test"]
    assert letter.subject == "You are invited to Larkspur on Modelyard"
    assert owner.email in letter.body
    assert "builder" in letter.body
    assert "7 days" in letter.body
    invitations.invitation_send(invitation_id=invitation.pk)
    assert len(mail.outbox) == 1, "a second bell sends no second mail"


@committed
def test_a_new_person_signs_up_by_the_link_and_lands_in_the_workspace() -> None:
    tenant = make_tenant(name="Larkspur")
    token = token_of(make_invitation(tenant, "ann@corp.test", "reviewer"))
    client = Client()
    page = client.get(f"/invitations/{token}").content.decode()
    assert "Join Larkspur" in page
    assert f"/accounts/signup/?next=/invitations/{token}&amp;email=ann%40corp.test" in page
    answer = client.post(
        "/accounts/signup/",
        {"email": "ann@corp.test", "password1": PASSWORD, "next": f"/invitations/{token}"},
        follow=True,
    )
    assert answer.request["PATH_INFO"] == f"/t/{tenant.slug}/"
    place = Membership.objects.get(user__email="ann@corp.test")
    assert (place.tenant, place.role) == (tenant, "reviewer")
    assert place.user.emailaddress_set.get().verified
    assert acts(tenant)[-1] == "member.joined"
    assert Invitation.objects.get().status == "accepted"


@committed
def test_the_link_proves_the_invited_address_and_no_other() -> None:
    tenant = make_tenant()
    token = token_of(make_invitation(tenant, "ann@corp.test"))
    client = Client()
    client.get(f"/invitations/{token}")
    answer = client.post("/accounts/signup/", {"email": "eve@corp.test", "password1": PASSWORD})
    assert "confirm" in answer.headers["Location"], "asked for the code that was mailed"
    assert not User.objects.get(email="eve@corp.test").emailaddress_set.get().verified
    assert not Membership.objects.filter(user__email="eve@corp.test").exists()


@committed
def test_who_is_signed_in_with_another_address_is_told_so_and_does_not_join() -> None:
    tenant, user = make_tenant(), make_user("bob@corp.test")
    token = token_of(make_invitation(tenant, "ann@corp.test"))
    client = signed_in(user)
    for answer in (client.get(f"/invitations/{token}"), client.post(f"/invitations/{token}")):
        assert answer.status_code == 409
        text = answer.content.decode()
        assert (
            "This invitation is for ann@corp.test, and you are signed in as bob@corp.test" in text
        )
    assert not Membership.objects.filter(tenant=tenant, user=user).exists()
    with pytest.raises(Conflict):
        invitations.invitation_accept(user=user, token=token)


@committed
def test_the_invited_person_joins_with_one_click_and_twice_does_no_harm() -> None:
    tenant, user = make_tenant(), make_user("ann@corp.test")
    token = token_of(make_invitation(tenant, "ann@corp.test", "labeler"))
    stranger = Client().get(f"/invitations/{token}").content.decode()
    assert f"/accounts/login/?next=/invitations/{token}" in stranger
    client = signed_in(user)
    assert "Join the workspace" in client.get(f"/invitations/{token}").content.decode()
    for _time in range(2):
        answer = client.post(f"/invitations/{token}")
        assert answer.headers["Location"] == f"/t/{tenant.slug}/"
    assert Membership.objects.get(tenant=tenant, user=user).role == "labeler"
    assert acts(tenant).count("member.joined") == 1


@committed
def test_a_resend_kills_the_old_link_and_gives_seven_new_days() -> None:
    tenant = make_tenant()
    invitation = make_invitation(tenant, "ann@corp.test")
    old, actor = token_of(invitation), owner_of(tenant)
    with tenant_scope(tenant.pk), pytest.raises(DomainError) as refusal:
        invitations.invitation_resend(actor=actor, invitation_id=invitation.pk)
    assert refusal.value.status == 429
    past = clock.now() - dt.timedelta(days=8)
    Invitation.objects.filter(pk=invitation.pk).update(rung_at=past, expires_at=past)
    assert "has expired" in Client().get(f"/invitations/{old}").content.decode()
    with tenant_scope(tenant.pk):
        invitations.invitation_resend(actor=actor, invitation_id=invitation.pk)
    new = token_of(invitation)
    assert Client().get(f"/invitations/{old}").status_code == 404
    assert Client().get(f"/invitations/{new}").status_code == 200
    assert acts(tenant)[-1] == "invitation.resent"


@committed
@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"revoked_at": clock.now()}, "was revoked"),
        ({"expires_at": clock.now()}, "has expired"),
        ({"accepted_at": clock.now()}, "has been accepted"),
    ],
)
def test_an_invitation_that_is_over_lets_nobody_in(change: dict[str, object], word: str) -> None:
    tenant, user = make_tenant(), make_user("ann@corp.test")
    invitation = make_invitation(tenant, "ann@corp.test")
    token = token_of(invitation)
    Invitation.objects.filter(pk=invitation.pk).update(**change)
    for client in (Client(), signed_in(user)):
        for answer in (client.get(f"/invitations/{token}"), client.post(f"/invitations/{token}")):
            assert (answer.status_code, word in answer.content.decode()) == (409, True)
    with pytest.raises(Conflict):
        invitations.invitation_accept(user=user, token=token)
    assert not Membership.objects.filter(tenant=tenant, user=user).exists()


def test_an_address_is_invited_once_and_a_member_never() -> None:
    tenant = make_tenant()
    Membership.objects.filter(tenant=tenant).exclude(role="owner").delete()
    member = owner_place(tenant).user.email
    first = make_invitation(tenant, "ann@corp.test")
    for email, code in (("Ann@corp.test", "already_invited"), (member, "already_member")):
        with pytest.raises(Conflict) as refusal:
            make_invitation(tenant, email)
        assert refusal.value.code == code
    with pytest.raises(DomainError) as refusal:
        make_invitation(tenant, "no address")
    assert refusal.value.code == "email_invalid"
    past = clock.now() - dt.timedelta(seconds=1)
    Invitation.objects.filter(pk=first.pk).update(expires_at=past)
    second = make_invitation(tenant, "ann@corp.test")
    assert list(selectors.invitation_list(tenant.pk)) == [second]


def test_seats_are_limited_by_the_plan_and_an_invitation_takes_one() -> None:
    tenant = make_tenant()
    most = plans.FREE.limits["seats"]
    assert most == 2
    waiting = make_invitation(tenant, "ann@corp.test")
    assert entitlements.used(tenant.pk, plans.SEATS) == 2
    client = signed_in(owner_place(tenant).user)
    answer = client.post(
        f"/t/{tenant.slug}/settings/invitations/", {"email": "bob@corp.test", "role": "viewer"}
    )
    text = answer.content.decode()
    assert answer.status_code == 402
    assert "The Free plan allows 2 seats, and 2 seats are in use" in text
    assert f"/t/{tenant.slug}/usage/" in text
    assert "Look at the plans" in text
    with tenant_scope(tenant.pk):
        invitations.invitation_revoke(actor=owner_of(tenant), invitation_id=waiting.pk)
    assert make_invitation(tenant, "bob@corp.test").status == "pending"


@committed
def test_of_two_invitations_at_the_same_moment_the_last_seat_goes_to_one() -> None:
    tenant = make_tenant()
    refused = at_once(*(partial(make_invitation, tenant, f"p{n}@corp.test") for n in range(2)))
    assert refused == ["quota_exceeded"]
    assert Invitation.objects.filter(tenant=tenant).count() == 1


@committed
def test_a_smaller_plan_since_the_invitation_keeps_the_person_out_with_a_sentence() -> None:
    tenant, user = make_tenant(), make_user("ann@corp.test")
    token = token_of(make_invitation(tenant, "ann@corp.test"))
    make_place(tenant)
    answer = signed_in(user).post(f"/invitations/{token}")
    assert answer.status_code == 409
    assert "no seat left" in answer.content.decode()
    assert not Membership.objects.filter(tenant=tenant, user=user).exists()


@committed
@pytest.mark.parametrize("way", ["removed", "demoted", "left"])
def test_nobody_comes_back_by_an_invitation_that_they_sent_before_they_went(
    way: str, settings: Any
) -> None:
    settings.BILLING = "off"  # no limit of seats
    tenant = make_tenant()
    owner, rogue = owner_place(tenant), make_place(tenant, "admin")
    with tenant_scope(tenant.pk):
        sent = invitations.invitation_create(
            actor=actor_of(rogue), email="second@corp.test", role="admin"
        )
    token, others = token_of(sent), make_invitation(tenant, "ann@corp.test")
    with tenant_scope(tenant.pk):
        if way == "removed":
            people.member_remove(actor=actor_of(owner), member_id=rogue.pk)
        elif way == "demoted":
            people.member_set_role(actor=actor_of(owner), member_id=rogue.pk, role="builder")
        else:
            people.member_leave(actor=actor_of(rogue))
    client = signed_in(make_user("second@corp.test"))
    assert "was revoked" in client.post(f"/invitations/{token}").content.decode()
    assert not Membership.objects.filter(user__email="second@corp.test").exists()
    assert acts(tenant)[-1] == "invitation.revoked"
    assert list(selectors.invitation_list(tenant.pk)) == [others]


@committed
def test_a_mail_that_did_not_leave_is_rung_for_again() -> None:
    invitation = make_invitation(make_tenant())
    assert invitations.sweep() == 0
    late = clock.now() - dt.timedelta(minutes=5)
    Invitation.objects.filter(pk=invitation.pk).update(rung_at=late, sent_at=None, digest="")
    mail.outbox.clear()
    assert invitations.sweep() == 1
    assert Client().get(f"/invitations/{token_of(invitation)}").status_code == 200
    assert invitations.sweep() == 0


# --- API ------------------------------------------------------------------------------------


def test_the_api_of_people_is_for_members_and_closed_to_keys() -> None:
    tenant = make_tenant()
    key = make_key(tenant)
    client, base = signed_in(owner_place(tenant).user), f"/t/{tenant.slug}/api/v1"
    made = client.post(
        f"{base}/invitations",
        {"email": "ann@corp.test", "role": "viewer"},
        content_type="application/json",
    )
    assert made.status_code == 201
    assert [row["email"] for row in client.get(f"{base}/invitations").json()["data"]] == [
        "ann@corp.test"
    ]
    one = f"{base}/invitations/{made.json()['id']}"
    assert client.delete(one).json()["status"] == "revoked"
    place = make_place(tenant)
    assert {row["role"] for row in client.get(f"{base}/members").json()["data"]} == {
        "owner",
        "viewer",
    }
    url = f"{base}/members/{place.pk}"
    changed = client.patch(url, {"role": "builder"}, content_type="application/json")
    assert changed.json()["role"] == "builder"
    owned = stale(owner_place(tenant).user).patch(
        url, {"role": "owner"}, content_type="application/json"
    )
    assert (owned.status_code, owned.json()["code"]) == (403, "reauthentication_needed")
    assert client.delete(url).status_code == 204
    assert not Membership.objects.filter(pk=place.pk).exists()
    for path in ("members", "invitations"):
        assert Client().get(f"/api/v1/{path}", **bearer(key)).status_code == 403


def test_each_role_has_a_sentence_on_the_page_of_members() -> None:
    tenant = make_tenant()
    for role in Role.values:
        client = signed_in(add_member(tenant, role))
        answer = client.get(f"/t/{tenant.slug}/settings/members/")
        assert answer.status_code == (403 if role == "labeler" else 200)
        assert client.get(f"/t/{tenant.slug}/settings/").status_code == 200
    text = client.get(f"/t/{tenant.slug}/settings/members/").content.decode()
    for role in Role:
        assert f">{role.label.capitalize()}</dt>" in text
