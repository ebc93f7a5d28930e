"""Signing in and what guards it: limits, sameness, sessions, factors, devices, providers."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import httpx2
import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.core.cache import cache
from django.test import Client

from modelyard.core import valkey
from tenants.identity.fresh import SIGNED_IN_AT
from tenants.models import Membership, User
from tests import oidc_stand
from tests.factories import make_tenant, make_user, signed_in
from tests.fakes.oidc_provider import PASSWORD as PASSWORD_ELSEWHERE
from tests.site import stack

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"
WRONG = "not the password at all"


def person(email: str = "") -> User:
    """Make a person whose address is confirmed, with a workspace."""
    user = make_user(email, PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    make_tenant(user)
    return user


def sign_in(user: User, password: str = PASSWORD, client: Client | None = None) -> Client:
    """Sign in through the form."""
    client = client or Client(headers={"User-Agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0"})
    client.post("/accounts/login/", {"login": user.email, "password": password})
    return client


def is_in(client: Client) -> bool:
    """Tell whether the browser is signed in."""
    return client.get("/accounts/email/").status_code == 200


def aged(client: Client) -> Client:
    """Make the sign-in of this browser an hour old."""
    session = client.session
    session[SIGNED_IN_AT] = time.time() - 3600
    for record in session.get("account_authentication_methods", []):
        record["at"] -= 3600
    session.save()
    return client


def code_of_now(secret: str) -> str:
    left = 30 - time.time() % 30
    if left < 3:
        time.sleep(left)
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def turn_app_on(client: Client) -> str:
    """Set up an authenticator app; return its secret."""
    page = client.get("/accounts/2fa/totp/activate/").content.decode()
    found = re.search(r'id="totp-key"[^>]*>([A-Z2-7]+)<', page)
    assert found, page
    answer = client.post("/accounts/2fa/totp/activate/", {"code": code_of_now(found[1])})
    assert answer.status_code == 302, answer.content.decode()
    return found[1]


# --- Nobody learns which addresses have an account --------------------------------------------


def told(path: str, email: str, fields: dict[str, str]) -> list[tuple[int, str, str]]:
    """Return status, address and text of each answer to a form, without what always differs."""
    client = Client()
    answer: Any = client.post(path, fields, follow=True)
    pages = [(status, where, "") for where, status in answer.redirect_chain]
    body = answer.content.decode().replace(email, "EMAIL")
    body = re.sub(r'(csrfmiddlewaretoken" value|name="csrf-token" content)="\w+"', "TOKEN", body)
    body = re.sub(r"X-CSRFToken\W+\w+", "TOKEN", body)
    return [*pages, (answer.status_code, answer.request["PATH_INFO"], body)]


FORMS = pytest.mark.parametrize(
    ("path", "field", "more"),
    [
        ("/accounts/signup/", "email", {"password1": "a long enough password"}),
        ("/accounts/login/", "login", {"password": WRONG}),
        ("/accounts/login/code/", "email", {}),
        ("/accounts/password/reset/", "email", {}),
    ],
)


@FORMS
def test_a_known_and_an_unknown_address_get_the_same_status_and_body(
    path: str, field: str, more: dict[str, str]
) -> None:
    person("known@corp.test")
    known = told(path, "known@corp.test", {field: "known@corp.test", **more})
    unknown = told(path, "fresh@corp.test", {field: "fresh@corp.test", **more})
    assert known == unknown
    assert known[-1][0] == 200


class CountingHasher(MD5PasswordHasher):
    """Counts hashings: they are what a known address could be told by with a stopwatch."""

    algorithm = "counting"
    count = 0

    def encode(self, password: str, salt: str) -> str:
        CountingHasher.count += 1
        return super().encode(password, salt)


@FORMS
def test_a_known_and_an_unknown_address_cost_the_same_number_of_hashings_and_mails(
    path: str, field: str, more: dict[str, str], settings: Any
) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    person("known@corp.test")
    spent = []
    for email in ("known@corp.test", "fresh@corp.test"):
        before = (CountingHasher.count, len(mail.outbox))
        Client().post(path, {field: email, **more})
        spent.append((CountingHasher.count - before[0], len(mail.outbox) - before[1]))
    assert spent[0] == spent[1]
    assert sum(spent[0]) >= 1


def test_a_wrong_code_for_a_known_and_an_unknown_address_gets_the_same_answers() -> None:
    person("known@corp.test")
    answers = []
    for email in ("known@corp.test", "fresh@corp.test"):
        client = Client()
        client.post("/accounts/login/code/", {"email": email})
        tries = [client.post("/accounts/login/code/confirm/", {"code": "abc"}) for _ in range(4)]
        answers.append([(one.status_code, one.headers.get("Location")) for one in tries])
    assert answers[0] == answers[1]
    assert answers[0][-1] == (302, "/accounts/login/code/")


# --- Guessing is limited, and refused when it can't be counted --------------------------------


def test_the_sixth_guess_of_a_password_is_not_looked_at_even_when_it_is_right() -> None:
    user, other = person(), person()
    for _ in range(5):
        assert not is_in(sign_in(user, WRONG))
    client = Client()
    answer = client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert "There were too many tries" in answer.content.decode()
    assert not is_in(client)
    assert is_in(sign_in(other)), "another account is not locked"


def test_more_than_three_sign_in_codes_a_minute_are_refused_with_a_page() -> None:
    user = person()
    for _ in range(3):
        Client().post("/accounts/login/code/", {"email": user.email})
    sent = len(mail.outbox)
    answer = Client().post("/accounts/login/code/", {"email": user.email})
    assert "There were too many tries" in answer.content.decode()
    assert len(mail.outbox) == sent


def test_sign_ups_from_one_address_are_limited_and_say_when_to_come_back() -> None:
    for number in range(20):
        Client().post("/accounts/signup/", {"email": f"p{number}@corp.test", "password1": "x"})
    answer = Client().post("/accounts/signup/", {"email": "p@corp.test", "password1": "x"})
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "60"
    assert "Wait a minute" in answer.content.decode()


def test_while_the_limits_are_down_sign_in_refuses_and_those_inside_go_on(
    settings: Any,
) -> None:
    user = person()
    inside = sign_in(user)
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    }
    client = Client()
    assert client.get("/accounts/login/").status_code == 200
    for path, fields in (
        ("login/", {"login": user.email, "password": PASSWORD}),
        ("login/code/", {"email": user.email}),
        ("signup/", {"email": "new@corp.test", "password1": "a long enough password"}),
        ("password/reset/", {"email": user.email}),
    ):
        answer = client.post(f"/accounts/{path}", fields)
        assert answer.status_code == 503, path
        assert "Sign-in is paused" in answer.content.decode()
        assert answer.headers["Retry-After"] == "30"
    assert is_in(inside)


# --- Sessions ---------------------------------------------------------------------------------


def test_a_session_id_from_before_the_sign_in_is_worth_nothing_after_it(
    settings: Any,
) -> None:
    victim = Client()
    planted = victim.session.session_key  # the test client makes one and keeps its cookie
    assert planted
    assert victim.cookies[settings.SESSION_COOKIE_NAME].value == planted
    sign_in(person(), client=victim)
    assert is_in(victim)
    assert victim.cookies[settings.SESSION_COOKIE_NAME].value != planted
    attacker = Client()
    attacker.cookies[settings.SESSION_COOKIE_NAME] = planted
    assert not is_in(attacker)


def test_a_new_password_ends_every_other_session_and_renews_this_one(
    settings: Any,
) -> None:
    user = person()
    here, there = sign_in(user), sign_in(user)
    before = here.cookies[settings.SESSION_COOKIE_NAME].value
    fields = {"oldpassword": PASSWORD, "password1": "another long one", "password2": ""}
    fields["password2"] = fields["password1"]
    answer = here.post("/accounts/password/change/", fields)
    assert answer.status_code == 302, answer.content.decode()
    assert (is_in(here), is_in(there)) == (True, False)
    assert here.cookies[settings.SESSION_COOKIE_NAME].value != before
    assert mail.outbox[-1].subject == "Your password was changed"


def test_a_new_factor_ends_every_other_session_and_renews_this_one(
    settings: Any,
) -> None:
    user = person()
    here, there = sign_in(user), sign_in(user)
    before = here.cookies[settings.SESSION_COOKIE_NAME].value
    turn_app_on(here)
    assert (is_in(here), is_in(there)) == (True, False)
    assert here.cookies[settings.SESSION_COOKIE_NAME].value != before
    assert len(here.get("/accounts/sessions/").context["devices"]) == 1


def test_a_device_that_is_signed_out_from_another_is_out_at_once() -> None:
    user, stranger = person(), person()
    here, there = sign_in(user), sign_in(user)
    devices = here.get("/accounts/sessions/").context["devices"]
    assert [(one.current, one.browser, one.system) for one in devices] == [
        (True, "Firefox", "Linux"),
        (False, "Firefox", "Linux"),
    ]
    theirs = sign_in(stranger)
    assert theirs.post(f"/accounts/sessions/{devices[1].id}/end/").status_code == 404
    assert is_in(there)
    assert here.post(f"/accounts/sessions/{devices[1].id}/end/").status_code == 302
    assert (is_in(here), is_in(there), is_in(theirs)) == (True, False, True)


def test_signing_out_everywhere_else_leaves_this_device_alone() -> None:
    user = person()
    here, one, two = sign_in(user), sign_in(user), sign_in(user)
    here.post("/accounts/sessions/end/")
    assert (is_in(here), is_in(one), is_in(two)) == (True, False, False)


# --- Second factors ---------------------------------------------------------------------------


def test_a_password_alone_does_not_open_an_account_with_an_app_and_a_code_works_once() -> None:
    user = person()
    secret = turn_app_on(sign_in(user))
    row = Authenticator.objects.get(user=user, type="totp")
    assert secret not in str(row.data), "the seed is encrypted at rest"
    code = code_of_now(secret)
    first, second = sign_in(user), sign_in(user)
    assert not is_in(first)
    first.post("/accounts/2fa/authenticate/", {"code": code})
    second.post("/accounts/2fa/authenticate/", {"code": code})
    assert (is_in(first), is_in(second)) == (True, False)


def test_the_sixth_guess_of_a_second_step_is_not_looked_at() -> None:
    user = person()
    secret = turn_app_on(sign_in(user))
    client = sign_in(user)
    for _ in range(5):
        client.post("/accounts/2fa/authenticate/", {"code": "abcdef"})
    answer = client.post("/accounts/2fa/authenticate/", {"code": code_of_now(secret)})
    assert "There were too many tries" in answer.content.decode()
    assert not is_in(client)


def test_neither_a_mailed_code_nor_a_new_password_nor_a_provider_replaces_the_second_factor(
    elsewhere: str, settings: Any
) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = configured(elsewhere, trusted=True)
    user = person("mara@corp.test")
    turn_app_on(sign_in(user))
    clients = [Client(), Client(), Client()]
    by_mail(clients[0], user.email)
    by_provider(clients[1])
    set_anew(clients[2], user.email, "another long one")
    sign_in(user, "another long one", clients[2])
    for client in clients:
        assert client.get("/accounts/email/").headers["Location"].startswith("/accounts/login/")
        assert client.get("/accounts/2fa/authenticate/").status_code == 200, "it is asked for"


# --- Who signs up with somebody else's address has nothing when that person comes --------------


def code_in_mail() -> str:
    found = re.search(r"^\s*(\d{6})\s*$", mail.outbox[-1].body, re.MULTILINE)
    assert found, mail.outbox[-1].body
    return found[1]


def by_mail(client: Client, email: str) -> None:
    """Sign in by a mailed code."""
    client.post("/accounts/login/code/", {"email": email})
    client.post("/accounts/login/code/confirm/", {"code": code_in_mail()})


def set_anew(client: Client, email: str, password: str) -> None:
    """Set a forgotten password anew by the mailed link."""
    client.post("/accounts/password/reset/", {"email": email})
    found = re.search(r"http://testserver(/\S+)", mail.outbox[-1].body)
    assert found, mail.outbox[-1].body
    form: Any = client.get(found[1], follow=True)
    fields = {"password1": password, "password2": password}
    assert client.post(form.request["PATH_INFO"], fields).status_code == 302


@pytest.mark.parametrize("way", ["code", "new password"])
def test_the_provider_of_a_stranger_who_signed_up_first_opens_nothing(
    way: str, elsewhere: str, settings: Any
) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = configured(elsewhere, trusted=False)
    by_provider(Client())
    owner = Client()
    if way == "code":
        by_mail(owner, "mara@corp.test")
    else:
        set_anew(owner, "mara@corp.test", PASSWORD)
        valkey.cache().flushdb()  # one code in ten seconds: the stranger's was the last
        sign_in(User.objects.get(email="mara@corp.test"), client=owner)
        owner.post("/accounts/confirm-email/", {"code": code_in_mail()})
    assert is_in(owner)
    stranger = Client()
    by_provider(stranger)
    assert not is_in(stranger)
    assert not SocialAccount.objects.exists()


# --- Dangerous acts need a fresh sign-in ------------------------------------------------------


def test_an_old_sign_in_is_asked_to_confirm_before_factors_change_and_comes_back() -> None:
    user = person()
    client = aged(sign_in(user))
    answer = client.get("/accounts/2fa/totp/activate/")
    assert answer.status_code == 302
    where = answer.headers["Location"]
    assert where == "/accounts/reauthenticate/?next=%2Faccounts%2F2fa%2Ftotp%2Factivate%2F"
    assert client.post(where, {"password": WRONG}).status_code == 200
    back = client.post(where, {"password": PASSWORD})
    assert back.headers["Location"] == "/accounts/2fa/totp/activate/"
    assert client.get(back.headers["Location"]).status_code == 200


def test_an_old_sign_in_makes_no_key_until_it_is_confirmed() -> None:
    user = person()
    tenant = Membership.objects.get(user=user).tenant
    client = aged(sign_in(user))
    path = f"/t/{tenant.slug}/keys/"
    fields = {"name": "ci", "scopes": ["read"], "days": "90"}
    referer = {"Referer": f"http://testserver{path}"}
    assert client.get(path).status_code == 200
    answer = client.post(path, fields, headers=referer)
    assert answer.status_code == 302
    assert tenant.api_keys.count() == 0
    back = client.post(answer.headers["Location"], {"password": PASSWORD})
    assert back.headers["Location"] == path
    assert client.post(path, fields, headers=referer).status_code == 200
    assert tenant.api_keys.count() == 1


def test_who_has_a_second_factor_confirms_with_it_and_the_password_alone_is_not_taken() -> None:
    user = person()
    client = sign_in(user)
    secret = turn_app_on(client)
    tenant = Membership.objects.get(user=user).tenant
    path = f"/t/{tenant.slug}/keys/"
    fields = {"name": "ci", "scopes": ["read"], "days": "90"}
    referer = {"Referer": f"http://testserver{path}"}
    aged(client)
    asked = client.post(path, fields, headers=referer).headers["Location"]
    led = client.post(asked, {"password": PASSWORD}).headers["Location"]
    assert led.startswith("/accounts/2fa/reauthenticate/?next=")
    client.post(path, fields, headers=referer)
    assert tenant.api_keys.count() == 0
    assert client.get(led).status_code == 200
    cache.clear()  # half a minute later: no code of this moment was used before
    answer = client.post(led, {"code": code_of_now(secret)})
    assert answer.headers["Location"] == path
    assert client.post(path, fields, headers=referer).status_code == 200
    assert tenant.api_keys.count() == 1


def test_a_person_without_password_and_factor_confirms_by_signing_in_again() -> None:
    user = person()
    user.set_unusable_password()
    user.save()
    client = aged(signed_in(user))
    answer = client.get("/accounts/2fa/totp/activate/", follow=True)
    assert answer.request["PATH_INFO"] == "/accounts/again/"
    answer = client.post("/accounts/again/", {"next": "/accounts/2fa/totp/activate/"})
    assert answer.headers["Location"].startswith("/accounts/login/?next=%2Faccounts%2F2fa")
    assert not is_in(client)
    answer = signed_in(user).post("/accounts/again/", {"next": "https://evil.test/"})
    assert answer.headers["Location"] == "/accounts/login/?next=%2F"


def test_a_new_address_counts_after_its_code_and_the_old_one_is_told() -> None:
    user = person("old@corp.test")
    client, there = sign_in(user), sign_in(user)
    client.post("/accounts/email/", {"email": "new@corp.test", "action_add": ""})
    assert mail.outbox[-1].to == ["new@corp.test"]
    code = code_in_mail()
    user.refresh_from_db()
    assert user.email == "old@corp.test"
    client.post("/accounts/confirm-email/", {"code": code})
    user.refresh_from_db()
    assert user.email == "new@corp.test"
    assert (is_in(client), is_in(there)) == (True, False), "codes go there: it is a factor"
    assert mail.outbox[-1].to == ["old@corp.test"]


# --- Sign-in with others ----------------------------------------------------------------------


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "input" and known.get("name"):
            self.fields.setdefault(str(known["name"]), []).append(known.get("value") or "")


def through(where: str, email: str) -> str:
    """Sign in at the provider and agree; return the path that it sends the browser back to."""
    with httpx2.Client(follow_redirects=True, timeout=20) as http:
        page = http.get(where)
        for known in ({"login": email, "password": PASSWORD_ELSEWHERE}, {"action": "grant"}):
            form = _Form()
            form.feed(page.text)
            fields = {**form.fields, **known}
            page = http.post(str(page.url), data=fields, follow_redirects=False)
            if "code=" in page.headers.get("Location", ""):
                break
            page = http.get(str(page.url.join(page.headers["Location"])))
    return page.headers["Location"].removeprefix("http://testserver")


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    text = oidc_stand.setting(stack().ports.port("sign-in-http"))
    with oidc_stand.provider(text, site_url="http://testserver", email="mara@corp.test") as url:
        yield url


def configured(url: str, *, trusted: bool) -> dict[str, Any]:
    return {
        "openid_connect": {
            "OAUTH_PKCE_ENABLED": True,
            "APPS": [
                {
                    "provider_id": "larkspur",
                    "name": "Larkspur",
                    "client_id": "modelyard",
                    "secret": "client-secret",
                    "settings": {"server_url": url, "email_authentication": trusted},
                }
            ],
        }
    }


def by_provider(client: Client) -> Any:
    """Sign in by the provider; return the page that one comes to."""
    answer = client.post("/accounts/oidc/larkspur/login/?process=login")
    assert answer.status_code == 302, answer.content.decode()
    return client.get(through(answer.headers["Location"], "mara@corp.test"), follow=True)


def test_an_address_of_a_trusted_provider_opens_the_account_it_belongs_to(
    elsewhere: str, settings: Any
) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = configured(elsewhere, trusted=True)
    user, client = person("mara@corp.test"), Client()
    by_provider(client)
    assert is_in(client)
    assert SocialAccount.objects.get().user == user


def test_an_address_of_an_untrusted_provider_opens_nothing_without_a_code(
    elsewhere: str, settings: Any
) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = configured(elsewhere, trusted=False)
    person("mara@corp.test")
    client = Client()
    answer = by_provider(client)
    assert answer.request["PATH_INFO"] == "/accounts/confirm-email/"
    assert not is_in(client)
    assert not SocialAccount.objects.exists()


def test_a_new_person_of_a_trusted_provider_has_a_name_and_a_workspace(
    elsewhere: str, settings: Any
) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = configured(elsewhere, trusted=True)
    client = Client()
    assert by_provider(client).request["PATH_INFO"] == "/t/corp/"
    assert User.objects.get(email="mara@corp.test").name == "Mara Li"


def test_a_new_person_of_an_untrusted_provider_types_a_code_first(
    elsewhere: str, settings: Any
) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = configured(elsewhere, trusted=False)
    client = Client()
    by_provider(client)
    assert not is_in(client)
    assert Membership.objects.count() == 0
    client.post("/accounts/confirm-email/", {"code": code_in_mail()})
    assert is_in(client)
    assert Membership.objects.count() == 1


def test_without_configuration_no_provider_is_offered() -> None:
    for path in ("/accounts/login/", "/accounts/signup/"):
        assert "Continue with" not in Client().get(path).content.decode()
    for path in ("google", "github", "oidc/larkspur"):
        assert Client().post(f"/accounts/{path}/login/").status_code == 404


def test_a_provider_that_does_not_answer_is_a_page_that_says_so(settings: Any) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = configured("http://127.0.0.1:1", trusted=True)
    answer = Client().post("/accounts/oidc/larkspur/login/")
    assert answer.status_code == 503
    assert "does not answer" in answer.content.decode()


def test_a_mail_server_that_does_not_answer_is_named_and_not_the_provider(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    fields = {"email": "new@corp.test", "password1": PASSWORD}
    answer = Client().post("/accounts/signup/", fields)
    assert answer.status_code == 503
    assert "The mail could not be sent" in answer.content.decode()
