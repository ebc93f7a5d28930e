"""Every address of the API and of the pages, with one's own things and with nobody's login.

Derived from the URLconf and the OpenAPI document, so a new route is covered the day it is added,
or the test says which parameter has no example yet. The walk with another tenant's things is
`tests/system/test_walk.py`: it needs a web process with the web role.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from tenants.access import SCOPE_PERMISSIONS
from tenants.models import ApiKey, Tenant
from tests.factories import bearer, make_key, make_tenant, signed_in
from tests.factories_objects import make_everything
from tests.routes import API, PAGES

pytestmark = pytest.mark.django_db(transaction=True)
ABSENT = ("no_rejects", "object_missing", "no_report", "deletion_absent")
"""Codes of a 404 that speaks of a file of the object, not of the object."""


@pytest.fixture(autouse=True)
def _without_limits(settings: Any) -> None:
    settings.API_LIMITS_FACTOR = 0


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


def test_every_parameter_of_the_urlconf_has_an_object(tenants: tuple[Tenant, Tenant]) -> None:
    values = known(tenants[0])
    missing = {name for route in [*API, *PAGES] for name in route.parameters} - set(values)
    assert missing == set()
    assert len(API) >= 25
    assert len(PAGES) >= 45


def test_the_openapi_document_and_the_urlconf_name_the_same_routes() -> None:
    described = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    written = {"/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.path) for route in API}
    assert set(described) == written


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
    values, key = known(alpha), make_key(alpha, sorted(SCOPE_PERMISSIONS))
    owner = signed_in(alpha.memberships.get(role="owner").user)
    for route in API:
        if route.for_keys("get"):
            answer = Client().get(route.filled(values), **bearer(key))
            code = answer.json().get("code") if answer.status_code >= 400 else ""
            found = answer.status_code in {200, 302, 405, 409, 422} or code in ABSENT
            assert found, (route, answer.content)
    for route in PAGES:
        answer = owner.get(route.filled(values))
        found = answer.status_code in {200, 302, 405, 409, 422}
        found = found or any(code in answer.content.decode() for code in ABSENT)
        assert found, (route, answer.status_code)
