"""A deletion leaves nothing, harms nobody else, survives being killed, and proves what it did."""

from __future__ import annotations

import datetime as dt
import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import psycopg2
import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test import Client

from billing import gateway, plans
from billing.models import Account
from modelyard.core import clock, storage
from modelyard.core.errors import Conflict, Forbidden, Invalid
from tenants.identity.fresh import SIGNED_IN_AT
from tenants.models import ApiKey, AuditEvent, Membership, Tenant, User
from tenants.rights import certificates, hooks
from tenants.rights.models import Deletion
from tenants.rights.services import deletions, persons, purging
from tenants.rights.tasks import purge, sweep
from tenants.scoping.context import ops_scope, tenant_scope
from tests.factories import (
    add_member,
    bearer,
    make_key,
    make_tenant,
    make_user,
    owner_of,
    signed_in,
)
from tests.factories_rights import checksum, counts, keys_of, make_full
from tests.stripe_stand import KEY, running_stand

pytestmark = pytest.mark.django_db(transaction=True)


class Killed(BaseException):
    """Stands for kill -9: nothing in the product catches it."""


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any) -> Iterator[None]:
    bucket = settings.S3_BUCKET
    settings.DELETION_STOP_SECONDS = 0
    yield
    settings.S3_BUCKET = bucket
    for tenant_id in Tenant.objects.values_list("pk", flat=True):
        storage.delete_prefix(f"tenants/{tenant_id}/")


def request(tenant: Tenant) -> Deletion:
    with tenant_scope(tenant.pk):
        return deletions.deletion_request(actor=owner_of(tenant), typed_name=tenant.name)


def due(tenant: Tenant) -> Deletion:
    """Ask for the deletion and let its days pass."""
    row = request(tenant)
    Deletion.objects.filter(pk=row.pk).update(due_at=clock.now() - dt.timedelta(seconds=1))
    return row


def done(row: Deletion) -> dict[str, Any]:
    """Return the facts of the certificate, checked."""
    row.refresh_from_db()
    assert row.status == "done"
    return certificates.verify(json.dumps(row.certificate))


def assert_gone(tenant_id: uuid.UUID) -> None:
    assert set(counts(tenant_id).values()) == {0}
    assert not Tenant.objects.filter(pk=tenant_id).exists()
    prefix = f"tenants/{tenant_id}/"
    assert [*storage.list_versions(prefix), *storage.list_multiparts(prefix)] == []
    assert keys_of(tenant_id) == []
    assert Deletion.objects.filter(subject_id=tenant_id).count() == 1


# --- The whole of it ---------------------------------------------------------------------------


@pytest.fixture
def versioned(settings: Any) -> Iterator[str]:
    """A bucket of its own that keeps every version."""
    settings.S3_BUCKET = f"versioned-{uuid.uuid4().hex[:8]}"
    s3 = boto3.client(
        "s3",
        endpoint_url=settings.S3_ENDPOINT_URL,
        aws_access_key_id=settings.S3_ACCESS_KEY,
        aws_secret_access_key=settings.S3_SECRET_KEY,
        region_name=settings.S3_REGION,
    )
    s3.create_bucket(Bucket=settings.S3_BUCKET)
    s3.put_bucket_versioning(
        Bucket=settings.S3_BUCKET, VersioningConfiguration={"Status": "Enabled"}
    )
    yield settings.S3_BUCKET
    storage.delete_versions(list(storage.list_versions("")))
    s3.delete_bucket(Bucket=settings.S3_BUCKET)


def test_a_deletion_leaves_nothing_and_another_workspace_untouched(versioned: str) -> None:
    tenant, other = make_full("Full Ltd"), make_full("Other Ltd")
    again = f"tenants/{tenant.pk}/uploads/a.csv"
    storage.put_bytes(again, b"second version")
    storage.delete(again)
    storage.multipart_create(f"tenants/{tenant.pk}/uploads/never-finished")
    stood, untouched = counts(tenant.pk), checksum(other.pk)
    versions = len(list(storage.list_versions(f"tenants/{tenant.pk}/")))
    row = due(tenant)
    sweep()
    assert_gone(tenant.pk)
    assert checksum(other.pk) == untouched
    facts = done(row)
    counted = facts["rows"]
    assert counted.pop("tenants_tenant") == 1
    # Asking and starting wrote one audit row each.
    assert counted == {**stood, "tenants_auditevent": stood["tenants_auditevent"] + 2}
    assert (facts["object_versions"], facts["unfinished_uploads"]) == (versions, 1)
    assert facts["cache_keys"] == len(keys_of(other.pk))
    assert facts["subject"] == str(tenant.pk)


def test_a_tombstone_holds_no_personal_data_and_the_mail_has_the_certificate() -> None:
    tenant = make_tenant(name="Full Ltd")
    owner = User.objects.get(pk=owner_of(tenant).id)
    row = due(tenant)
    mail.outbox.clear()
    sweep()
    letter = next(one for one in mail.outbox if one.to == [owner.email])
    assert letter.subject == "The workspace Full Ltd is deleted"
    link = f"/certificates/{row.pk}"
    assert link in letter.body
    downloaded = Client().get(link)
    assert certificates.verify(downloaded.content)["subject"] == str(tenant.pk)
    attached = letter.attachments[0].get_payload(decode=True)
    assert json.loads(attached) == json.loads(downloaded.content)
    row.refresh_from_db()
    assert (row.recipients, row.subject_name, row.requested_by) == ([], "", None)
    kept = json.dumps([row.certificate, row.evidence])
    assert owner.email not in kept
    assert "Full Ltd" not in kept
    assert User.objects.filter(pk=owner.pk).exists(), "people stay until they ask"


def test_a_deletion_that_is_killed_at_any_step_goes_on_and_finishes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tenant = make_full("Full Ltd")
    stood = counts(tenant.pk)
    row = due(tenant)
    looks: list[Callable[[str], None]] = []
    monkeypatch.setattr(purging, "on_step", looks)
    monkeypatch.setattr(purging, "ROWS_AT_ONCE", 3)
    # Killed before a step, or when its work is done and what it found is not written yet.
    for name, step in list(purging._STEPS.items()):
        monkeypatch.setitem(purging._STEPS, name, after(step, looks))
    killed = 0
    while Deletion.objects.filter(pk=row.pk, status__in=["scheduled", "running"]).exists():
        steps = iter(range(100))

        def die_later(_phase: str, steps: Any = steps, stop: int = killed % 7 + 1) -> None:
            if next(steps) == stop:
                raise Killed

        looks[:] = [die_later]
        try:
            purge(deletion_id=str(row.pk))
        except Killed:
            killed += 1
        Deletion.objects.filter(status="running").update(lease_until=clock.now())
    assert killed > 5
    assert_gone(tenant.pk)
    counted = done(row)["rows"]
    assert counted["datasets_example"] == stood["datasets_example"]
    assert counted["tenants_membership"] == stood["tenants_membership"]


def after(step: Callable[[Deletion], bool], looks: list[Callable[[str], None]]) -> Any:
    def work(row: Deletion) -> bool:
        finished = step(row)
        for look in looks:
            look(row.phase)
        return finished

    return work


def test_what_is_stored_by_a_late_worker_is_swept_after_the_end() -> None:
    tenant = make_tenant()
    row = due(tenant)
    sweep()
    done(row)
    storage.put_bytes(f"tenants/{tenant.pk}/models/late/model.safetensors", b"x")
    sweep()
    assert_gone(tenant.pk)


def test_a_second_worker_waits_while_the_first_holds_the_deletion() -> None:
    tenant = make_tenant()
    row = due(tenant)
    later = clock.now() + dt.timedelta(seconds=60)
    Deletion.objects.filter(pk=row.pk).update(status="running", phase="stop", lease_until=later)
    purge(deletion_id=str(row.pk))
    assert Tenant.objects.filter(pk=tenant.pk).exists()


def test_a_deletion_waits_for_work_to_stop_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    tenant = make_tenant()
    answers = iter([3, 1, 0])
    monkeypatch.setattr(hooks, "on_tenant_stopping", [lambda _tenant: next(answers)])
    settings.DELETION_STOP_SECONDS = 60
    row = due(tenant)
    purge(deletion_id=str(row.pk))
    assert list(answers) == []
    done(row)


def test_a_deleted_workspace_is_not_charged_any_more(tmp_path: Path, settings: Any) -> None:
    settings.BILLING = "sandbox"
    tenant = make_tenant()
    with running_stand(tmp_path / "state.sqlite") as shop:
        settings.STRIPE_API_URL, settings.STRIPE_SECRET_KEY = shop.url, KEY
        customer = gateway.customer_ensure(tenant_id=tenant.pk, name="Acme", email="a@corp.test")
        page = gateway.checkout_create(
            customer=customer,
            plan=plans.TEAM,
            tenant_id=tenant.pk,
            success_url="http://localhost/yes",
            cancel_url="http://localhost/no",
        )
        shop.pay(page)
        with tenant_scope(tenant.pk):
            Account.objects.create(stripe_customer=customer)
        assert shop.subscription(customer)["status"] == "active"
        due(tenant)
        sweep()
        assert shop.subscription(customer)["status"] == "canceled"
    assert_gone(tenant.pk)


# --- Who, when, and back -----------------------------------------------------------------------


def test_only_an_owner_deletes_and_only_with_the_name_typed() -> None:
    tenant = make_tenant(name="Acme Works")
    page = f"/t/{tenant.slug}/settings/data/"
    admin = signed_in(add_member(tenant, "admin"))
    assert "Delete the workspace" not in admin.get(page).content.decode()
    assert admin.post(f"{page}delete", {"name": "Acme Works"}).status_code == 403
    owner = signed_in(tenant.memberships.get(role="owner").user)
    refused = owner.post(f"{page}delete", {"name": "acme"})
    assert refused.status_code == 422
    assert "Type the name of the workspace exactly" in refused.content.decode()
    assert not Deletion.objects.exists()
    assert owner.post(f"{page}delete", {"name": "Acme Works"}).status_code == 302
    row = Deletion.objects.get()
    assert dt.timedelta(days=6.9) < row.due_at - clock.now() < dt.timedelta(days=7.1)
    assert "This workspace will be deleted on" in owner.get(page).content.decode()


def test_a_stale_sign_in_and_a_key_delete_nothing() -> None:
    tenant = make_tenant(name="Acme Works")
    owner = signed_in(tenant.memberships.get(role="owner").user)
    session = owner.session
    session[SIGNED_IN_AT] = 0
    session.save()
    answer = owner.post(f"/t/{tenant.slug}/settings/data/delete", {"name": "Acme Works"})
    assert answer.status_code == 302
    assert "/reauthenticate" in answer["Location"]
    path = f"/t/{tenant.slug}/api/v1/deletion"
    answer = owner.post(path, {"name": "Acme Works"}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "reauthentication_needed")
    key = make_key(tenant)
    answer = Client().post(
        "/api/v1/deletion", {"name": "Acme Works"}, content_type="application/json", **bearer(key)
    )
    assert answer.status_code == 403
    assert not Deletion.objects.exists()


def test_until_its_day_a_deletion_removes_nothing_and_any_owner_cancels_it() -> None:
    tenant = make_tenant(name="Full Ltd")
    first, second = owner_of(tenant), add_member(tenant, "owner")
    mail.outbox.clear()
    with tenant_scope(tenant.pk):
        row = deletions.deletion_request(actor=first, typed_name=tenant.name)
    assert {one.to[0] for one in mail.outbox} == {
        place.user.email for place in Membership.objects.filter(tenant=tenant, role="owner")
    }
    stood = checksum(tenant.pk)
    sweep()
    purge(deletion_id=str(row.pk))
    assert checksum(tenant.pk) == stood
    with tenant_scope(tenant.pk), pytest.raises(Conflict, match="scheduled already"):
        deletions.deletion_request(actor=first, typed_name=tenant.name)
    answer = signed_in(second).post(f"/t/{tenant.slug}/settings/data/keep")
    assert answer.status_code == 302
    row.refresh_from_db()
    assert row.status == "cancelled"
    assert mail.outbox[-1].subject == "The workspace Full Ltd stays"
    assert row.recipients == []
    Deletion.objects.update(due_at=clock.now())
    sweep()
    assert Tenant.objects.filter(pk=tenant.pk, status="active").exists()
    with tenant_scope(tenant.pk):
        again = deletions.deletion_request(actor=first, typed_name=tenant.name)
    assert again.pk != row.pk


def test_once_begun_a_deletion_can_not_be_cancelled() -> None:
    tenant = make_tenant()
    row = request(tenant)
    Deletion.objects.filter(pk=row.pk).update(status="running")
    with tenant_scope(tenant.pk), pytest.raises(Conflict, match="begun"):
        deletions.deletion_cancel(actor=owner_of(tenant))


# --- What the database allows ------------------------------------------------------------------


def call_as(login: str, statement: str, *values: object, become: str = "") -> Any:
    """Run a statement as one of the platform's own logins, in this test's database."""
    url = os.environ[login]
    base, _slash, _name = url.rpartition("/")
    with (
        psycopg2.connect(f"{base}/{connection.settings_dict['NAME']}") as conn,
        conn.cursor() as cursor,
    ):
        if become:
            cursor.execute(f"set local role {become}")
        cursor.execute(statement, values)
        return cursor.fetchall()


def test_the_web_login_can_neither_purge_nor_bring_the_day_forward() -> None:
    tenant = make_tenant(name="Full Ltd")
    row = due(tenant)
    Deletion.objects.filter(pk=row.pk).update(status="running")
    web = "WEB_DATABASE_URL"
    for statement in (
        "select rights_purge(%s, 'tenants_auditevent', 10)",
        "select rights_purge_tenant(%s)",
        "update rights_deletion set due_at = now() where id = %s",
        "delete from rights_deletion where id = %s",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            call_as(web, statement, str(row.pk))
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        call_as(web, "select 1", become="modelyard_definer")


def test_the_operators_login_purges_nothing_that_is_not_due_and_running() -> None:
    tenant = make_tenant(name="Full Ltd")
    row = request(tenant)
    ops, stood = "OPS_DATABASE_URL", counts(tenant.pk)
    purge_rows = "select rights_purge(%s, %s, 10)"
    for status, days in (("scheduled", -1), ("running", 1), ("cancelled", -1), ("done", -1)):
        moment = clock.now() + dt.timedelta(days=days)
        Deletion.objects.filter(pk=row.pk).update(status=status, due_at=moment)
        for statement, values in (
            (purge_rows, (str(row.pk), "tenants_auditevent")),
            ("select rights_purge_tenant(%s)", (str(row.pk),)),
        ):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="running and due"):
                call_as(ops, statement, *values, become="modelyard_ops")
    Deletion.objects.filter(pk=row.pk).update(status="running")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="holds no rows"):
        call_as(ops, purge_rows, str(row.pk), "tenants_user", become="modelyard_ops")
    assert counts(tenant.pk) == stood
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        call_as(ops, "delete from trail_seal", become="modelyard_ops")


# --- Certificates ------------------------------------------------------------------------------


def test_a_certificate_verifies_and_any_change_is_found(tmp_path: Path, capsys: Any) -> None:
    tenant = make_tenant()
    row = due(tenant)
    sweep()
    done(row)
    file, key = tmp_path / "certificate.json", tmp_path / "key.pem"
    file.write_bytes(Client().get(f"/certificates/{row.pk}").content)
    key.write_bytes(Client().get("/certificates/key.pem").content)
    call_command("certificate", "verify", str(file), "--key", str(key))
    assert f"tenant {tenant.pk} was deleted" in capsys.readouterr().out
    text = file.read_text()
    for old, new in (
        (str(tenant.pk), str(uuid.uuid4())),
        ('"objects": 0', '"objects": 7'),
        ('"tenants_membership": 1', '"tenants_membership": 0'),
    ):
        assert old in text
        file.write_text(text.replace(old, new))
        with pytest.raises(CommandError, match="changed after it was issued"):
            call_command("certificate", "verify", str(file))
    for broken in ("", "[]", "{}", "[" * 100_000, '{"format": 1}', "\x00"):
        with pytest.raises(Invalid):
            certificates.verify(broken)


def test_a_certificate_of_another_site_says_which_key_is_needed(settings: Any) -> None:
    theirs = json.dumps(certificates.sign({"certificate": "x"}))
    pem = certificates.public_pem()
    settings.SECRET_KEY = "another site's"
    with pytest.raises(Invalid, match="signed by another key"):
        certificates.verify(theirs)
    assert certificates.verify(theirs, pem=pem) == {"certificate": "x"}
    with pytest.raises(Invalid, match="no Ed25519 public key"):
        certificates.verify(theirs, pem="-----BEGIN PUBLIC KEY-----\nx\n")


def test_an_address_without_a_certificate_is_not_found() -> None:
    row = request(make_tenant())
    for name in (row.pk, uuid.uuid4()):
        assert Client().get(f"/certificates/{name}").status_code == 404


# --- People ------------------------------------------------------------------------------------


def test_a_person_takes_their_data_and_deletes_the_account() -> None:
    tenant = make_tenant()
    user = add_member(tenant, "builder")
    user.name = "Ada Lovelace"
    user.save()
    browser = signed_in(user)
    with tenant_scope(tenant.pk):
        AuditEvent.objects.create(
            actor_kind="user", actor_id=str(user.pk), action="run.submitted",
            object_kind="run", object_id="1",
        )  # fmt: skip
    ApiKey.objects.create(
        tenant=tenant, name="hers", public_id="abcdefgh", digest="0" * 64, scopes=["read"],
        created_by=user,
    )  # fmt: skip
    Authenticator.objects.create(user=user, type="totp", data={"secret": "JBSWY3DPEHPK3PXP"})
    own = json.loads(browser.get("/accounts/data/").content)
    assert "JBSWY3DPEHPK3PXP" not in json.dumps(own)
    assert own["mfa_authenticator"][0]["type"] == "totp"
    assert own["tenants_user"][0]["name"] == "Ada Lovelace"
    assert "password" not in own["tenants_user"][0]
    assert len(own["tenants_membership"]) == 1
    assert browser.post("/accounts/delete/", {"email": "x@corp.test"}).status_code == 422
    email = user.email
    assert browser.post("/accounts/delete/", {"email": email.upper()}).status_code == 302
    assert browser.get(f"/t/{tenant.slug}/").status_code == 302, "signed out"
    assert "Your account is deleted" in browser.get("/accounts/deleted/").content.decode()
    assert not User.objects.filter(pk=user.pk).exists()
    assert everywhere(str(user.pk), email, "Ada Lovelace") == {
        ("tenants_auditevent", str(user.pk)), ("rights_deletion", str(user.pk)),
    }  # fmt: skip
    assert ApiKey.objects.get(name="hers").created_by is None, "the workspace's key stays"
    assert mail.outbox[-1].to == [email]
    facts = done(Deletion.objects.get(kind="person"))
    assert (facts["kind"], facts["subject"]) == ("person", str(user.pk))
    assert facts["rows"]["tenants_membership"] == 1


def everywhere(*needles: str) -> set[tuple[str, str]]:
    """Return (table, needle) wherever a text stands in the whole database."""
    found = set()
    with ops_scope("test"), connection.cursor() as cursor:
        cursor.execute(
            "select relname from pg_class where relkind = 'r'"
            " and relnamespace = 'public'::regnamespace"
        )
        for (table,) in cursor.fetchall():
            for needle in needles:
                cursor.execute(
                    f'select exists (select from "{table}" t where t::text ilike %s)',
                    [f"%{needle}%"],
                )
                if cursor.fetchone()[0]:
                    found.add((table, needle))
    return found


def test_the_last_owner_is_told_what_to_do_first() -> None:
    tenant = make_tenant(name="Acme Works")
    user = tenant.memberships.get(role="owner").user
    browser = signed_in(user)
    page = browser.get("/accounts/delete/").content.decode()
    assert "You are the last owner of these workspaces" in page
    assert f"/t/{tenant.slug}/settings/data/" in page
    answer = browser.post("/accounts/delete/", {"email": user.email})
    assert answer.status_code == 422
    assert User.objects.filter(pk=user.pk).exists()
    add_member(tenant, "owner")
    assert browser.post("/accounts/delete/", {"email": user.email}).status_code == 302


def test_an_operators_account_is_kept_for_the_consoles_log() -> None:
    user = make_user()
    user.is_staff = True
    user.save()
    with pytest.raises(Conflict, match="operators' console"):
        persons.person_delete(user=user, typed_email=user.email)


def test_only_a_person_who_owns_the_workspace_may_ask() -> None:
    tenant = make_tenant()
    stranger = owner_of(make_tenant())
    forged = type(stranger)(
        kind="user", id=stranger.id, tenant_id=tenant.pk, permissions=stranger.permissions
    )
    with tenant_scope(tenant.pk), pytest.raises(Forbidden, match="Only an owner"):
        deletions.deletion_request(actor=forged, typed_name=tenant.name)
