"""The web's outer walls: headers, cookies, CSRF, redirects, hosts, bodies. All routes, derived."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from drf_spectacular.generators import SchemaGenerator

from modelyard import urls as real
from modelyard.core.http.parsers import MAX_BYTES
from tenants.models import Tenant
from tests.factories import bearer, make_key, make_tenant, signed_in
from tests.integration.test_isolation import known
from tests.routes import API, OTHERS, PAGES, Route
from tests.webserver import web_login

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN_FIELDS = {
    "tenant": "x", "tenant_id": "x", "owner": "x", "plan": "team", "role": "owner",
    "id": "x", "status": "active", "created_at": "2020-01-01T00:00:00Z",
}  # fmt: skip
NO_TOKEN_NEEDED = {
    "stripe/webhook": "Stripe's signature over the body is the proof",
    "accounts/google/login/token/": "Google's own double-submit cookie; 404 where not set up",
    "api/openapi.json": "takes no POST",
}
"""Routes of the pages that take a POST without a CSRF token, and why."""


@pytest.fixture(autouse=True)
def _without_limits(settings: Any) -> None:
    settings.API_LIMITS_FACTOR = 0


def has_the_headers(answer: Any, what: object) -> None:
    policy = answer.headers["Content-Security-Policy"]
    rules = dict(part.strip().split(" ", 1) for part in policy.split(";") if part.strip())
    assert rules["default-src"] == "'self'", what
    assert rules["script-src"] == "'self'", what
    assert rules["style-src"] == "'self'", what
    assert rules["object-src"] == "'none'", what
    assert rules["base-uri"] == "'none'", what
    assert rules["frame-ancestors"] == "'none'", what
    assert "unsafe" not in policy, what
    storage = settings.S3_PUBLIC_ENDPOINT_URL or settings.S3_ENDPOINT_URL
    assert {name for name, value in rules.items() if storage in value} == {"connect-src", "img-src"}
    assert answer.headers["X-Content-Type-Options"] == "nosniff", what
    assert answer.headers["X-Frame-Options"] == "DENY", what
    assert answer.headers["Referrer-Policy"] == "same-origin", what
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin", what
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin", what
    assert "camera=()" in answer.headers["Permissions-Policy"], what


def broken(request: HttpRequest) -> HttpResponse:
    del request
    raise RuntimeError("a bug")


urlpatterns = [*real.urlpatterns, path("broken", broken)]
handler500 = "modelyard.core.http.problem.server_error"


def test_every_route_answers_with_every_header() -> None:
    tenant = make_tenant()
    values = known(tenant)
    seen = set()
    owner = signed_in(tenant.memberships.get(role="owner").user)
    for client, routes in ((Client(), [*API, *OTHERS]), (owner, [*PAGES, *OTHERS])):
        for route in [one for one in routes if "logout" not in one.path]:
            answer = client.get(route.filled(values))
            has_the_headers(answer, (route, answer.status_code))
            seen.add(answer.status_code)
    assert {200, 302, 401, 404, 405} <= seen


def test_static_files_errors_and_strange_hosts_answer_with_every_header(settings: Any) -> None:
    client = Client(raise_request_exception=False)
    assert finders.find("css/app.css")
    answers = {
        200: client.get("/static/css/app.css"),
        404: client.get("/no/such/page"),
        400: client.get("/livez", HTTP_HOST="evil.example"),
        405: client.post("/livez"),
    }
    settings.ROOT_URLCONF = __name__
    answers[500] = client.get("/broken")
    for status, answer in answers.items():
        assert answer.status_code == status
        has_the_headers(answer, status)
    body = answers[500].content.decode()
    assert "a bug" not in body
    assert "Traceback" not in body


TLS = """
import json, django
django.setup()
from django.conf import settings
from django.test import Client
page = Client(HTTP_HOST="localhost").get("/accounts/login/", secure=True)
plain = Client(HTTP_HOST="localhost").get("/accounts/login/")
probe = Client(HTTP_HOST="localhost").get("/livez")
print(json.dumps({
    "hsts": page.headers["Strict-Transport-Security"],
    "csrf": page.headers["Set-Cookie"] if "Set-Cookie" in page.headers else page.cookies.output(),
    "plain": [plain.status_code, plain.headers.get("Location")],
    "probe": probe.status_code,
    "session": [settings.SESSION_COOKIE_NAME, settings.SESSION_COOKIE_SECURE,
                settings.SESSION_COOKIE_HTTPONLY, settings.SESSION_COOKIE_SAMESITE,
                settings.SESSION_COOKIE_DOMAIN, settings.SESSION_COOKIE_PATH],
    "language": settings.LANGUAGE_COOKIE_SECURE,
}))
"""


def test_with_tls_cookies_are_bound_to_the_host_and_http_leads_to_https() -> None:
    env = {
        **os.environ,
        "SITE_URL": "https://localhost",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "DJANGO_SETTINGS_MODULE": "modelyard.settings.dev",
        "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}",
        "DATABASE_URL": web_login(),
    }
    done = subprocess.run(
        [sys.executable, "-c", TLS], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["hsts"] == "max-age=31536000; includeSubDomains; preload"
    assert "__Host-csrf=" in said["csrf"]
    assert "Path=/" in said["csrf"]
    assert "Secure" in said["csrf"]
    assert "Domain" not in said["csrf"]
    assert said["session"] == ["__Host-session", True, True, "Lax", None, "/"]
    assert said["language"] is True
    assert said["plain"] == [301, "https://localhost/accounts/login/"]
    assert said["probe"] == 200, "health checks come without TLS"


def test_djangos_own_deploy_check_has_no_warning() -> None:
    env = {
        **os.environ,
        "SITE_URL": "https://modelyard.example",
        "ALLOWED_HOSTS": "modelyard.example",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "API_KEY_PEPPER": secrets.token_urlsafe(48),
    }
    for module in ("prod", "ops"):
        env["DJANGO_SETTINGS_MODULE"] = f"modelyard.settings.{module}"
        env["OPS_URL"] = "https://ops.modelyard.example"
        done = subprocess.run(
            [sys.executable, "-m", "modelyard", "check", "--deploy", "--fail-level", "WARNING"],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (module, done.stdout, done.stderr[-3000:])
        assert "0 silenced" in done.stdout + done.stderr


def test_every_post_of_a_page_without_its_token_is_403() -> None:
    tenant = make_tenant()
    values = known(tenant)
    client = signed_in(tenant.memberships.get(role="owner").user, csrf=True)
    taken = {}
    for route in [*PAGES, *OTHERS]:
        as_json = {"content_type": "application/json"} if "/api/v1/" in route.path else {}
        answer = client.post(route.filled(values), {"next": "/"}, **as_json)
        has_the_headers(answer, route)
        if answer.status_code != 403:
            taken[route.path] = answer.status_code
    assert {path: status for path, status in taken.items() if path not in NO_TOKEN_NEEDED} == {}
    assert len(taken) == len(NO_TOKEN_NEEDED)


def test_a_key_needs_no_token_and_a_session_does_not_open_the_key_routes() -> None:
    tenant = make_tenant()
    client = signed_in(tenant.memberships.get(role="owner").user, csrf=True)
    assert client.get("/api/v1/workspace").status_code == 401
    made = client.post(
        "/api/v1/datasets", {"name": "a"}, content_type="application/json",
        **bearer(make_key(tenant)),
    )  # fmt: skip
    assert made.status_code == 201


ELSEWHERE = [
    "https://evil.example/", "//evil.example/", "/\\evil.example", "///evil.example",
    "http:evil.example", "javascript:alert(1)", "https:///evil.example", " //evil.example",
    "\t//evil.example", "https://localhost@evil.example/",
]  # fmt: skip


def _follows(client: Client, address: str) -> bool:
    """Tell whether an address does anything with `next`."""
    answer = client.get(address, {"next": "/zq-next"})
    return "zq-next" in answer.headers.get("Location", "") or b'"/zq-next"' in answer.content


def test_no_next_leads_off_the_site() -> None:
    tenant = make_tenant()
    user = tenant.memberships.get(role="owner").user
    word = "correct horse battery"
    ways = [
        (client, route.filled({}))
        for client in (Client(), signed_in(user))
        for route in OTHERS
        if _follows(client, route.filled({}))
    ]
    assert "/accounts/login/" in [address for _client, address in ways]
    answers = []
    for elsewhere in ELSEWHERE:
        answers += [client.get(address, {"next": elsewhere}) for client, address in ways]
        form = {"login": user.email, "password": word, "next": elsewhere}
        answers.append(Client().post("/accounts/login/", form))
        answers.append(Client().post("/theme", {"theme": "yard", "next": elsewhere}))
        answers.append(Client().post("/i18n/setlang/", {"language": "en", "next": elsewhere}))
    for answer in answers:
        location = answer.headers.get("Location", "/")
        assert re.match(r"^(/(?![/\\])|\?|$)", location), location
        assert "evil.example" not in location.split("?")[0]


def test_a_host_that_is_not_ours_is_refused_and_never_written_into_a_page_or_a_mail() -> None:
    client = Client(raise_request_exception=False)
    for extra in ({"HTTP_HOST": "evil.example"}, {"HTTP_X_FORWARDED_HOST": "evil.example"}):
        for address in ("/accounts/login/", "/accounts/password/reset/", "/pricing"):
            answer = client.get(address, **extra)
            assert b"evil.example" not in answer.content
            assert answer.status_code == (400 if "HTTP_HOST" in extra else 200)


MALFORMED = {
    "nul": b'{"name": "a\\u0000b"}',
    "raw nul": b'{"name": "a\x00b"}',
    "nul in a name": b'{"na\\u0000me": 1}',
    "lone surrogate": b'{"name": "\\ud800"}',
    "lone surrogate in a name": b'{"\\udfff": 1}',
    "deep": b'{"name": ' + b"[" * 33 + b"]" * 33 + b"}",
    "very deep": b"[" * 100_000,
    "huge exponent": b'{"name": 1e999}',
    "nan": b'{"name": NaN}',
    "infinity": b'{"name": -Infinity}',
    "huge integer": b'{"name": 9223372036854775808}',
    "endless integer": b'{"name": ' + b"9" * 100_000 + b"}",
    "twice": b'{"name": "a", "name": "b"}',
    "utf-16": '{"name": "a"}'.encode("utf-16"),
    "latin-1": '{"name": "ü"}'.encode("latin-1"),
    "bom": b'\xef\xbb\xbf{"name": "a"}',
    "cut": b'{"name": "a',
    "two": b'{"name": "a"}{"name": "b"}',
    "nothing but space": b"   ",
}


def test_json_that_cannot_be_kept_is_400_with_a_sentence() -> None:
    key = make_key(make_tenant())
    for case, body in MALFORMED.items():
        answer = Client().post(
            "/api/v1/datasets", body, content_type="application/json", **bearer(key)
        )
        assert answer.status_code == 400, (case, answer.content)
        assert answer.json()["code"] == "malformed", case
        assert answer.json()["detail"], case


def test_json_that_only_looks_dangerous_is_taken() -> None:
    key = make_key(make_tenant())
    names = ["a \\u0000 written out", "\U0001f600 pair", '"[[[[[' * 40]
    for name in names:
        answer = Client().post(
            "/api/v1/datasets", json.dumps({"name": name[:100]}),
            content_type="application/json", **bearer(key),
        )  # fmt: skip
        assert answer.status_code == 201, answer.content
        assert answer.json()["name"] == name[:100]


def test_a_body_beyond_two_mebibytes_is_413_and_a_broken_cursor_422() -> None:
    key = make_key(make_tenant())
    body = b'{"name": "' + b"x" * MAX_BYTES + b'"}'
    for headers in ({}, {"HTTP_IDEMPOTENCY_KEY": "one"}):
        answer = Client().post(
            "/api/v1/datasets", body, content_type="application/json", **bearer(key), **headers
        )
        assert answer.status_code == 413
        assert answer.json()["code"] == "too_large"
    for cursor in ("x", "cD1ub3BlCg==", "bz0xMDAwMDAwJnA9MQ==", "cD0lMDA=", "ü"):
        answer = Client().get("/api/v1/datasets", {"cursor": cursor}, **bearer(key))
        assert answer.status_code == 422, cursor
        assert answer.json()["code"] == "cursor_invalid"


def _body_fields(document: dict[str, Any], operation: dict[str, Any]) -> set[str]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = content.get("schema", {})
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return set(schema.get("properties", {}))


def _whose_rows() -> dict[str, list[Any]]:
    """Return who owns what: the tenants, and who is what in which of them."""
    with connection.cursor() as cursor:
        cursor.execute("select id::text, slug, status, created_at from tenants_tenant order by id")
        found: dict[str, list[Any]] = {"tenants": list(cursor.fetchall())}
        cursor.execute(
            "select tenant_id::text, user_id, role, created_at from tenants_membership order by id"
        )
        found["members"] = list(cursor.fetchall())
    return found


def _writable(document: dict[str, Any]) -> list[tuple[Route, str, set[str], bool]]:
    rows = []
    for route in API:
        address = "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.path)
        for method, operation in document["paths"][address].items():
            if method != "get":
                fields = _body_fields(document, operation)
                rows.append((route, method, fields, "requestBody" in operation))
    return rows


def test_no_route_takes_a_field_that_would_change_whose_or_what_a_thing_is() -> None:
    document = SchemaGenerator().get_schema(request=None, public=True)
    tenant, other = make_tenant(), make_tenant()
    values, theirs = known(tenant), known(other)
    owner, before = signed_in(tenant.memberships.get(role="owner").user), _whose_rows()
    forged = {**FORBIDDEN_FIELDS, "tenant": str(other.pk), "tenant_id": str(other.pk)}
    forged["id"] = str(theirs["dataset_id"])
    tried = refused = 0
    for route, method, fields, has_body in _writable(document):
        address = f"/t/{tenant.slug}" + route.filled(values)
        strange = {name: value for name, value in forged.items() if name not in fields}
        body = {**route.body, **strange}
        answer = getattr(owner, method)(address, body, content_type="application/json")
        tried += len(strange)
        assert answer.status_code < 500, (route, method)
        if has_body:
            assert answer.status_code == 400, (route, method, answer.content)
            said = answer.json()
            assert said["code"] == "unknown_field"
            assert "The fields are: " in said["detail"]
            assert set(strange) <= {row["field"] for row in said["fields"]}
            refused += len(strange)
    assert tried >= 100
    assert refused >= 80
    assert _whose_rows()["tenants"] == before["tenants"]
    # A person may have been removed; nobody came, rose or moved.
    assert set(_whose_rows()["members"]) <= set(before["members"])
    for route in [one for one in PAGES if "/api/v1/" not in one.path]:
        owner.post(route.filled(values), forged)
    after = _whose_rows()
    assert [row for row in after["members"] if row[0] == str(other.pk)] == [
        row for row in before["members"] if row[0] == str(other.pk)
    ]
    assert Tenant.objects.get(pk=other.pk).status == other.status


def test_every_body_says_in_the_openapi_document_that_it_takes_no_other_fields() -> None:
    document = SchemaGenerator().get_schema(request=None, public=True)
    call_command("check")
    seen = 0
    for methods in document["paths"].values():
        for operation in methods.values():
            content = operation.get("requestBody", {}).get("content", {})
            for media in content.values():
                name = media["schema"]["$ref"].rsplit("/", 1)[1]
                assert document["components"]["schemas"][name]["additionalProperties"] is False
                seen += 1
    assert seen >= 15
