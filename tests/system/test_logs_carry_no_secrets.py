"""Secrets put into every kind of input of a real web process are in no line of its log."""

from __future__ import annotations

import json
import secrets
import string
from typing import Any

import httpx2
import pytest

from tenants.models import Tenant
from tests.factories import make_key, make_tenant, signed_in
from tests.system.walking import CSRF
from tests.webserver import web_process

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]
LETTERS = string.ascii_letters + string.digits


def word(length: int = 43) -> str:
    return "aZ9" + "".join(secrets.choice(LETTERS) for _ in range(length - 3))


def send_everything(client: httpx2.Client, tenant: Tenant) -> dict[str, str]:
    """Send a secret by every kind of input; return them by kind."""
    key, session = make_key(tenant), signed_in(tenant.memberships.get(role="owner").user)
    cookie = session.cookies["session"].value
    found = {
        "key": key, "revoked key": f"mdy_{word(8)}_{word(33)}", "session": cookie,
        "old session": word(32).lower(), "csrf": word(32), "password": word(12),
        "new password": word(14), "code": "482913", "reset": f"c2x9kd-{word(32).lower()}",
        "invitation": word(43), "query": word(20), "basic": word(24), "signature": word(64),
        "body": word(16), "referer": word(22), "cookie": word(32), "oauth": word(30),
    }  # fmt: skip
    by_key = {"Authorization": f"Bearer {key}"}
    signed = {"Cookie": f"session={cookie}; csrf={CSRF}", "X-CSRFToken": CSRF}
    form = {"Cookie": f"csrf={CSRF}", "X-CSRFToken": CSRF}
    gets = [
        ("/api/v1/datasets", by_key),
        (f"/api/v1/datasets?api_key={found['query']}", {"X-Api-Key": key}),
        (f"/api/v1/nothing?token={found['query']}", by_key),
        ("/api/v1/runs", {"Authorization": f"Bearer {found['revoked key']}"}),
        ("/api/v1/runs", {"Authorization": f"Basic {found['basic']}"}),
        (f"/t/{tenant.slug}/nothing", signed),
        (f"/t/{tenant.slug}/", {"Cookie": f"session={found['old session']}"}),
        ("/no-such-page", {"Cookie": f"other={found['cookie']}", "User-Agent": key}),
        (f"/accounts/password/reset/key/1-{found['reset']}/", {}),
        (f"/invitations/{found['invitation']}", {}),
        (f"/invitations/{found['invitation']}/accept", signed),
        (f"/accounts/google/login/callback/?code={found['oauth']}&state={found['oauth']}", {}),
        ("/livez", {"Host": "evil.example", "Referer": f"https://x/?token={found['referer']}"}),
    ]
    for path, headers in gets:
        client.get(path, headers=headers)
    login = {"login": "a@corp.test", "password": found["password"], "code": found["code"]}
    posts: list[tuple[str, dict[str, Any], dict[str, str]]] = [
        ("/accounts/login/", {"data": login}, form),
        ("/accounts/login/", {"data": login}, {"Cookie": f"csrf={found['csrf']}"}),
        ("/accounts/login/code/confirm/", {"data": login}, form),
        ("/accounts/2fa/authenticate/", {"data": login}, form),
        ("/accounts/signup/", {"data": {"email": "b", "password1": found["new password"]}}, form),
        ("/stripe/webhook", {"json": {}}, {"Stripe-Signature": f"t=1,v1={found['signature']}"}),
        ("/api/v1/datasets", {"json": {"name": "a", "password": found["body"]}}, by_key),
        ("/api/v1/datasets", {"content": f'{{"secret": "{found["body"]}'}, by_key),
        ("/api/v1/runs", {"json": {"token": found["body"]}}, by_key),
        (f"/t/{tenant.slug}/keys/", {"data": {"name": "a", "secret": found["body"]}}, signed),
    ]
    for path, given, headers in posts:
        kind = {"Content-Type": "application/json"} if "content" in given else {}
        client.post(path, headers={**headers, **kind}, **given)
    return found


def test_no_secret_of_any_input_is_in_the_log_which_says_whose_request_it_was() -> None:
    tenant = make_tenant()
    with web_process(LOG_LEVEL="DEBUG") as web:
        with httpx2.Client(base_url=web.url, timeout=30) as client:
            sent = send_everything(client, tenant)
            client.get("/api/v1/nothing", headers={"Authorization": f"Bearer {sent['key']}"})
            missing = "/api/v1/datasets/0197a1b2-0000-7000-8000-000000000001"
            answer = client.get(missing, headers={"Authorization": f"Bearer {sent['key']}"})
        text = web.log.read_text()
    assert {kind for kind, secret in sent.items() if secret in text} == set()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert len(lines) >= 15
    request_id = answer.headers["X-Request-Id"]
    whose = [line for line in lines if line.get("request_id") == request_id]
    assert whose
    assert {line.get("tenant_id") for line in whose if "Not Found" in line["event"]} == {
        str(tenant.pk)
    }
