"""A stranger's key, login or nothing: every address of the API and of the pages, walked.

The walk is derived from the URLconf and the OpenAPI document, so a new route is covered the
day it is added, or the test says which parameter has no example yet.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator

from tenants.models import ApiKey, Tenant
from tests.factories import bearer, make_key, make_tenant, signed_in
from tests.factories_objects import make_everything

pytestmark = pytest.mark.django_db(transaction=True)
METHODS = ("get", "post", "put", "patch", "delete")
# Signed-in people's own addresses, without a tenant in them.
BODIES = {
    "uploads": {"filename": "a.csv", "bytes": 10},
    "parts": {"numbers": [1]},
    "import": {"text": "text", "label": "label"},
    "predict": {"inputs": "fine"},
}
"""A good body by the last word of a route, so that only the object decides."""
ABSENT = ("no_rejects", "object_missing", "no_report")
"""Codes of a 404 that speaks of a file of the object, not of the object."""
PUBLIC = ("accounts/", "i18n/", "api/openapi.json", "api/docs", "new", "theme", "livez", "readyz")


@dataclass(frozen=True)
class Route:
    """One pattern of the URLconf."""

    path: str

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"<(?:\w+:)?(\w+)>", self.path)

    @property
    def body(self) -> dict[str, object]:
        return BODIES.get(self.path.rsplit("/", 1)[-1], {})

    def filled(self, values: dict[str, object]) -> str:
        if "model-versions/" in self.path:
            values = {**values, "version_id": values["model_version_id"], "name": "config.json"}
        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(values[found[1]]), self.path)


def walk(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[Route]:
    for one in patterns:
        path = prefix + str(one.pattern).lstrip("^")
        if isinstance(one, URLResolver):
            yield from walk(one.url_patterns, path)
        else:
            yield Route(path)


ROUTES = [route for route in walk(get_resolver().url_patterns) if not route.path.startswith(PUBLIC)]
API = [route for route in ROUTES if route.path.startswith("api/v1/")]
PAGES = [route for route in ROUTES if route.path.startswith("t/")]


@pytest.fixture
def tenants() -> tuple[Tenant, Tenant]:
    return make_tenant(name="Alpha"), make_tenant(name="Beta")


def known(tenant: Tenant) -> dict[str, object]:
    """Return an object of the tenant for every parameter of the URLconf."""
    values = make_everything(tenant)
    make_key(tenant)
    values["key_id"] = ApiKey.objects.filter(tenant=tenant).latest("created_at").pk
    values["slug"] = tenant.slug
    return values


def without_request_id(body: bytes) -> bytes:
    return re.sub(rb"req_[0-9a-f]{32}", b"", body)


def test_every_parameter_of_the_urlconf_has_an_object(tenants: tuple[Tenant, Tenant]) -> None:
    values = known(tenants[0])
    missing = {name for route in ROUTES for name in route.parameters} - set(values)
    assert missing == set()
    assert len(API) >= 25
    assert len(PAGES) >= 45


def test_the_openapi_document_and_the_urlconf_name_the_same_routes() -> None:
    described = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    written = {"/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.path) for route in API}
    assert set(described) == written


def test_another_tenants_key_gets_404_for_every_object_like_for_a_random_id(
    tenants: tuple[Tenant, Tenant],
) -> None:
    alpha, beta = tenants
    theirs, key = known(alpha), make_key(beta)
    random = {
        name: uuid.uuid4() if isinstance(value, uuid.UUID) else f"no-such-{uuid.uuid4().hex[:8]}"
        for name, value in theirs.items()
    }
    client, tried = Client(), 0
    for route in [one for one in API if one.parameters]:
        for method in METHODS:
            call = getattr(client, method)
            answers = [
                call(route.filled(ids), route.body, content_type="application/json", **bearer(key))
                if method != "get"
                else call(route.filled(ids), **bearer(key))
                for ids in (theirs, random)
            ]
            found, unknown = answers
            assert found.status_code == unknown.status_code, (method, route)
            if found.status_code not in {405, 403}:
                assert found.status_code == 404, (method, route, found.content)
                assert without_request_id(found.content) == without_request_id(unknown.content)
                tried += 1
            elif found.status_code == 403:
                assert route.path.startswith("api/v1/keys"), (method, route)
    assert tried >= 20


def test_another_tenants_login_gets_404_for_every_page_and_every_session_route(
    tenants: tuple[Tenant, Tenant],
) -> None:
    alpha, beta = tenants
    theirs = known(alpha)
    client = signed_in(beta.memberships.get().user)
    for route in PAGES:
        for method in METHODS:
            answer = getattr(client, method)(route.filled(theirs))
            assert answer.status_code == 404, (method, route, answer.status_code)


def test_another_tenants_objects_are_unknown_inside_ones_own_workspace(
    tenants: tuple[Tenant, Tenant],
) -> None:
    alpha, beta = tenants
    values = {**known(alpha), "slug": beta.slug}
    client = signed_in(beta.memberships.get().user)
    for route in [one for one in PAGES if set(one.parameters) - {"slug"}]:
        for method in METHODS:
            call = getattr(client, method)
            body = route.body if method != "get" else {}
            if "/api/v1/" in route.path or method in {"put", "patch", "delete"}:
                answer = call(route.filled(values), body, content_type="application/json")
            else:
                answer = call(route.filled(values), {**body, "text": "fine"})
            assert answer.status_code in {404, 405}, (method, route, answer.status_code)


def test_nobody_gets_401_from_the_api_and_the_login_page_from_the_pages(
    tenants: tuple[Tenant, Tenant],
) -> None:
    values = known(tenants[0])
    for route in API:
        answer = Client().get(route.filled(values))
        assert answer.status_code in {401, 405}, (route, answer.status_code)
    for route in [one for one in PAGES if "/api/v1/" not in one.path]:
        answer = Client().get(route.filled(values))
        assert answer.status_code == 302, (route, answer.status_code)
        assert answer.headers["Location"].startswith("/accounts/login/")


def test_ones_own_objects_are_found_so_that_a_404_means_something(
    tenants: tuple[Tenant, Tenant],
) -> None:
    alpha = tenants[0]
    values, key = known(alpha), make_key(alpha)
    owner = signed_in(alpha.memberships.get().user)
    for route in API:
        if not route.path.startswith("api/v1/keys"):
            answer = Client().get(route.filled(values), **bearer(key))
            code = answer.json().get("code") if answer.status_code >= 400 else ""
            found = answer.status_code in {200, 302, 405, 409, 422} or code in ABSENT
            assert found, (route, answer.content)
    for route in PAGES:
        answer = owner.get(route.filled(values))
        found = answer.status_code in {200, 302, 405, 409, 422}
        found = found or any(code in answer.content.decode() for code in ABSENT)
        assert found, (route, answer.status_code)
