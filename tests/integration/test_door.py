"""What strangers send to the door: forged addresses, old sessions, text that can't be stored."""

from __future__ import annotations

import pytest
from django.core import mail
from django.test import Client

from modelyard.core import observe
from tenants.models import Membership, User
from tests.factories import make_key, make_tenant, make_user, signed_in
from tests.integration.test_identity import (
    PASSWORD,
    WRONG,
    aged,
    by_mail,
    code_in_mail,
    is_in,
    person,
    sign_in,
)

pytestmark = pytest.mark.django_db(transaction=True)
LONG = f"{'a' * 60}@{'.'.join(['b' * 60] * 4)}.com"
"""An address of 308 characters: Django's check passes it, no column takes it."""


def test_an_old_sign_in_makes_no_key_by_the_sessions_api_either() -> None:
    user = person()
    tenant = Membership.objects.get(user=user).tenant
    key_id = (make_key(tenant), tenant.api_keys.get().pk)[1]
    base = f"/t/{tenant.slug}/api/v1/keys"
    asked = (
        ("post", base, {"name": "x", "scopes": ["read"]}),
        ("patch", f"{base}/{key_id}", {"addresses": []}),
        ("post", f"{base}/{key_id}/rotate", {}),
    )
    old, new = aged(sign_in(user)), sign_in(user)
    for method, path, body in asked:
        answer = getattr(old, method)(path, body, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (403, "reauthentication_needed")
    assert tenant.api_keys.count() == 1
    for method, path, body in asked:
        assert getattr(new, method)(path, body, content_type="application/json").status_code < 300


def test_an_old_sign_in_gives_a_person_without_a_password_none() -> None:
    user = person()
    user.set_unusable_password()
    user.save()
    client = aged(signed_in(user))
    fields = {"password1": WRONG, "password2": WRONG}
    answer = client.post("/accounts/password/set/", fields)
    assert answer.headers["Location"].startswith("/accounts/reauthenticate/")
    user.refresh_from_db()
    assert not user.has_usable_password()
    assert signed_in(user).post("/accounts/password/set/", fields).status_code == 302
    user.refresh_from_db()
    assert user.has_usable_password()


def test_a_code_for_an_address_of_another_account_takes_nothing_over() -> None:
    person("taken@corp.test")
    user = person("me@corp.test")
    answers = []
    for email in ("taken@corp.test", "free@corp.test"):
        client = sign_in(user)
        answer = client.post("/accounts/email/", {"email": email, "action_add": ""})
        answers.append((answer.status_code, answer.headers["Location"], mail.outbox[-1].to))
        if email == "taken@corp.test":
            client.post("/accounts/confirm-email/", {"code": code_in_mail()}, follow=True)
    assert [one[:2] for one in answers] == [answers[0][:2]] * 2, "nobody learns that it is taken"
    assert [one[2] for one in answers] == [["taken@corp.test"], ["free@corp.test"]]
    user.refresh_from_db()
    assert user.email == "me@corp.test"


def test_the_password_of_a_stranger_who_signed_up_first_opens_nothing_after_a_mailed_code() -> None:
    stranger, owner = Client(), Client()
    stranger.post("/accounts/signup/", {"email": "vic@corp.test", "password1": PASSWORD})
    by_mail(owner, "vic@corp.test")
    assert is_in(owner)
    user = User.objects.get(email="vic@corp.test")
    assert not is_in(sign_in(user))
    assert Membership.objects.get(user=user).role == "owner", "the person has a workspace"
    owner.post("/accounts/password/set/", {"password1": WRONG, "password2": WRONG})
    by_mail(Client(), "vic@corp.test")
    assert is_in(sign_in(user, WRONG)), "a password set by the person stays"


def test_a_challenge_for_a_second_key_asks_for_its_pin_or_fingerprint_too() -> None:
    client = sign_in(person())
    assert client.get("/accounts/2fa/webauthn/add/").status_code == 200
    assert client.session["mfa.webauthn.state"]["user_verification"] == "required"


def test_another_spelling_of_an_address_is_no_second_set_of_guesses() -> None:
    user = person("known@corp.test")
    for login in ("KNOWN@corp.test", " Known@corp.test", "knoWn@corp.test", "known@CORP.test"):
        Client().post("/accounts/login/", {"login": login, "password": WRONG})
    sign_in(user, WRONG)
    assert not is_in(sign_in(user))


def test_a_forged_forwarding_header_is_no_second_set_of_guesses() -> None:
    answers = [
        Client().post(
            "/accounts/login/code/",
            {"email": f"person{number}@corp.test"},
            headers={"X-Forwarded-For": f"192.0.2.{number}", "X-Real-Ip": f"192.0.2.{number}"},
        )
        for number in range(21)
    ]
    assert answers[19].status_code == 302
    assert "There were too many tries" in answers[20].content.decode()


@pytest.mark.parametrize(
    "target",
    [
        "//evil.test",
        "/\\evil.test",
        "https:evil.test",
        "http:///evil.test",
        "https://evil.test/",
        "https://testserver@evil.test/",
        "javascript:alert(1)",
    ],
)
def test_no_link_leads_out_of_the_site_after_signing_in_or_out(target: str) -> None:
    user = person()
    fields = {"login": user.email, "password": PASSWORD, "next": target}
    client = Client()
    assert client.post("/accounts/login/", fields).headers["Location"] == "/"
    again = client.post("/accounts/again/", {"next": target})
    assert again.headers["Location"] == "/accounts/login/?next=%2F"
    out = signed_in(user).post("/accounts/logout/", {"next": target})
    assert out.headers["Location"] == "/accounts/login/"


def test_text_that_can_not_be_stored_is_refused_with_a_sentence_and_changes_nothing() -> None:
    user = person()
    slug = Membership.objects.get(user=user).tenant.slug
    client = signed_in(user)
    for path, fields in (
        ("/accounts/name/", {"name": "a\0b"}),
        ("/new", {"name": "a\0b"}),
        (f"/t/{slug}/settings/", {"name": "a\0b"}),
        ("/accounts/signup/?next=%00", {}),
    ):
        answer = client.post(path, fields)
        assert answer.status_code == 400, path
        assert "NUL character" in answer.content.decode()
    assert Membership.objects.filter(user=user).count() == 1
    base = f"/t/{slug}"
    fields = {"email": LONG, "role": "viewer"}
    assert client.post(f"{base}/settings/invitations/", fields).status_code == 422
    answer = client.post(f"{base}/api/v1/invitations", fields, content_type="application/json")
    assert answer.status_code == 422
    answer = Client().post("/accounts/signup/", {"email": LONG, "password1": PASSWORD})
    assert answer.status_code < 500
    assert not User.objects.filter(email=LONG).exists()
    assert client.post(f"/accounts/sessions/{10**30}/end/").status_code == 404


def test_no_form_of_a_person_or_a_workspace_is_taken_from_another_site() -> None:
    user = person()
    base = f"/t/{Membership.objects.get(user=user).tenant.slug}"
    client = signed_in(user, csrf=True)
    for path in (
        "/accounts/name/",
        "/accounts/again/",
        "/accounts/logout/",
        "/accounts/email/",
        "/accounts/password/change/",
        "/accounts/password/set/",
        "/accounts/sessions/end/",
        "/accounts/2fa/totp/activate/",
        "/invitations/x",
        "/new",
        f"{base}/settings/",
        f"{base}/settings/leave",
        f"{base}/settings/transfer",
        f"{base}/settings/invitations/",
    ):
        assert client.post(path, {"name": "x"}).status_code == 403, path
    body = {"email": "a@corp.test", "role": "viewer"}
    for path in ("invitations", "keys"):
        answer = client.post(f"{base}/api/v1/{path}", body, content_type="application/json")
        assert answer.status_code == 403, path
    assert is_in(client)


def test_the_token_of_an_invitation_is_not_in_the_log_when_its_link_is_refused() -> None:
    token = "HAb9jNtl86Zbi7p-sjzTPJ6lO7XNz2Gz5lXm-dLrYF0"
    for line in (
        f"Conflict: /invitations/{token}",
        f"GET /accounts/login/?next=/invitations/{token}",
        f"GET /accounts/signup/?next=%2Finvitations%2F{token}",
    ):
        assert token not in observe.clean(line)


def test_a_look_alike_address_does_not_get_the_link_to_a_new_password() -> None:
    make_user("sam@corp.test")
    Client().post("/accounts/password/reset/", {"email": "\u017fam@corp.test"})
    assert [letter.subject for letter in mail.outbox] == ["There is no Modelyard account here"]
    Client().post("/accounts/password/reset/", {"email": "SAM@corp.test"})
    assert mail.outbox[-1].to == ["sam@corp.test"]
    assert "/accounts/password/reset/" in mail.outbox[-1].body


def test_a_part_of_a_page_sends_the_whole_page_to_the_sign_in_and_back() -> None:
    slug = make_tenant().slug
    page = f"http://testserver/t/{slug}/runs/?page=2"
    headers = {"HX-Request": "true", "HX-Current-URL": page}
    answer = Client().get(f"/t/{slug}/tray", headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["HX-Redirect"] == (f"/accounts/login/?next=/t/{slug}/runs/%3Fpage%3D2")
    headers["HX-Current-URL"] = "https://evil.example/"
    answer = Client().get(f"/t/{slug}/tray", headers=headers)
    assert answer.headers["HX-Redirect"] == "/accounts/login/?next=/"
