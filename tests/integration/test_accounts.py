"""Self-serve sign-up, the way back in, and what an unknown address is told."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client

from tenants.models import Membership, User
from tests.factories import add_member, make_tenant, make_user, signed_in

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "a long enough password"


def code_from_mail() -> str:
    found = re.search(r"^\s*(\d{6})\s*$", mail.outbox[-1].body, re.MULTILINE)
    assert found, mail.outbox[-1].body
    return found.group(1)


def sign_up(client: Client, email: str) -> None:
    answer = client.post("/accounts/signup/", {"email": email, "password1": PASSWORD})
    assert answer.status_code == 302, answer.content.decode()[:2000]
    answer = client.post(answer.headers["Location"], {"code": code_from_mail()}, follow=True)
    assert answer.status_code == 200, answer.content.decode()[:2000]


def test_a_new_customer_signs_up_with_a_six_digit_code_and_owns_a_workspace() -> None:
    client = Client()
    sign_up(client, "Mara@Larkspur-home.com")
    place = Membership.objects.get(user__email="mara@larkspur-home.com")
    assert (place.role, place.tenant.name) == ("owner", "Larkspur-Home")
    assert client.get("/", follow=True).request["PATH_INFO"] == f"/t/{place.tenant.slug}/"


def test_a_wrong_code_makes_no_workspace_and_says_so() -> None:
    client = Client()
    answer = client.post("/accounts/signup/", {"email": "a@corp.test", "password1": PASSWORD})
    wrong = "000000" if code_from_mail() != "000000" else "000001"
    answer = client.post(answer.headers["Location"], {"code": wrong})
    assert answer.status_code == 200
    assert "code" in answer.content.decode().lower()
    assert Membership.objects.count() == 0


def test_a_weak_password_is_refused_with_a_reason() -> None:
    answer = Client().post("/accounts/signup/", {"email": "a@corp.test", "password1": "short"})
    assert answer.status_code == 200
    assert "10 characters" in answer.content.decode()
    assert not User.objects.exists()


def test_a_known_address_is_answered_like_an_unknown_one() -> None:
    make_user("known@corp.test")
    known = Client().post("/accounts/signup/", {"email": "known@corp.test", "password1": PASSWORD})
    fresh = Client().post("/accounts/signup/", {"email": "fresh@corp.test", "password1": PASSWORD})
    assert (known.status_code, known.headers["Location"]) == (
        fresh.status_code,
        fresh.headers["Location"],
    )


def test_a_page_of_a_workspace_asks_a_stranger_to_sign_in_and_a_non_member_gets_404() -> None:
    tenant = make_tenant()
    answer = Client().get(f"/t/{tenant.slug}/keys/")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/accounts/login/")
    other = make_user()
    make_tenant(other)
    assert signed_in(other).get(f"/t/{tenant.slug}/keys/").status_code == 404


def test_a_viewer_may_not_make_a_key_and_is_told_whom_to_ask() -> None:
    tenant = make_tenant()
    viewer = signed_in(add_member(tenant, "viewer"))
    answer = viewer.post(f"/t/{tenant.slug}/keys/", {"name": "x", "scopes": ["read"]})
    assert answer.status_code == 403
    assert "Ask an owner" in answer.content.decode()


def test_the_sign_up_and_login_pages_are_there_in_english_and_chinese() -> None:
    for path in ("/accounts/signup/", "/accounts/login/"):
        for language in ("en", "zh-hans"):
            answer = Client().get(path, headers={"Accept-Language": language})
            assert answer.status_code == 200
            assert f'lang="{language}"' in answer.content.decode()
