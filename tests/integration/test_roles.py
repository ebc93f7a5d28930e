"""Each role and each scope of a key at each route, by `docs/roles.toml`: every cell is sent."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import pytest
from django.db import transaction
from django.http.response import HttpResponseBase
from django.test import Client

from modelyard.core import clock
from tenants.access import ROLE_PERMISSIONS, SCOPE_PERMISSIONS
from tenants.members.models import Invitation
from tenants.models import ApiKey, Membership, Role, Tenant
from tests import roles
from tests.factories import add_member, bearer, make_key, make_tenant, signed_in
from tests.factories_objects import make_everything
from tests.roles import Row
from tests.routes import API, OTHERS, PAGES, Route

pytestmark = pytest.mark.django_db
ROWS, OPEN = roles.read()
SESSION_ROUTES = {
    roles.shown(route.path).replace("/t/<slug>", "", 1): route
    for route in PAGES
    if "/api/v1/" in route.path
}
ROUTES = {
    roles.shown(route.path): route
    for route in [*API, *(one for one in PAGES if "/api/v1/" not in one.path)]
}
ABSENT = ("no_rejects", "object_missing", "no_report", "export_not_ready", "deletion_absent")
"""Codes of a 404 that speaks of a part of the object, not of the object."""


class Walk:
    """A workspace with one person a role and one key a scope; what a request does is undone."""

    def __init__(self, tenant: Tenant) -> None:
        owner = Membership.objects.get(tenant=tenant, role="owner").user
        others = [role for role in Role.values if role != "owner"]
        self.stranger = Client(raise_request_exception=False)
        self.people = {"owner": signed_in(owner)}
        self.people |= {role: signed_in(add_member(tenant, role)) for role in others}
        for client in self.people.values():
            client.raise_request_exception = False
        self.keys = {scope: make_key(tenant, [scope]) for scope in SCOPE_PERMISSIONS}
        self.values = {
            **make_everything(tenant),
            "key_id": ApiKey.objects.filter(tenant=tenant).earliest("created_at").pk,
            "slug": tenant.slug,
        }
        # Long enough ago for another mail.
        Invitation.objects.filter(tenant=tenant).update(rung_at=clock.now() - dt.timedelta(days=1))

    def send(self, client: Client, method: str, route: Route, **headers: Any) -> HttpResponseBase:
        """Send a request and undo what it did."""
        is_json = "api/v1/" in route.path
        sent: dict[str, Any] = {} if method == "GET" else {"data": route.body}
        if is_json and method != "GET":
            sent["content_type"] = "application/json"
        with transaction.atomic():
            call = getattr(client, method.lower(), None) or client.generic
            answer: HttpResponseBase = call(route.filled(self.values), **sent, **headers)
            transaction.set_rollback(True)
        return answer

    def status(self, name: str, row: Row, *, may: bool) -> int:
        """Return what a role, or a key with a scope, gets.

        Who is to be refused asks for a fragment: a page around the refusal costs ten times it.
        """
        if name in self.keys:
            key = bearer(self.keys[name])
            answer = self.send(self.stranger, row.method, ROUTES[row.path], **key)
        else:
            route = SESSION_ROUTES.get(row.path) or ROUTES[row.path]
            headers = {} if may else {"HTTP_HX_REQUEST": "true"}
            answer = self.send(self.people[name], row.method, route, **headers)
        if answer.status_code == 404 and any(
            code in answer.content.decode()  # type: ignore[attr-defined]
            for code in ABSENT
        ):
            return 200
        return answer.status_code


@pytest.fixture
def walk(settings: Any) -> Walk:
    # Else each cell reads its session from the database, and this is no test of sessions.
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    return Walk(make_tenant(name="Matrix"))


def test_the_file_has_a_row_for_each_method_of_each_route_and_no_other(walk: Walk) -> None:
    answered = set()
    for path, route in ROUTES.items():
        url = (SESSION_ROUTES.get(path) or route).filled(walk.values)
        probe = walk.people["owner"].generic("PROBE", url)
        assert probe.status_code == 405, f"{path} does not say which methods it answers"
        allowed = {one.strip() for one in probe.headers["Allow"].split(",")}
        answered |= {Row(method, path) for method in allowed - {"HEAD", "OPTIONS"}}
    assert set(ROWS) - answered == set(), "stale rows: run `python -m tests.roles --write`"
    assert answered - set(ROWS) == set(), "no row: run `python -m tests.roles --write`, read it"


def test_each_name_in_the_file_is_a_role_or_for_the_api_a_scope() -> None:
    assert set(roles.ROLES) == set(Role.values) == set(ROLE_PERMISSIONS)
    for row, names in ROWS.items():
        scopes = set(SCOPE_PERMISSIONS) if row.path.startswith("/api/") else set()
        assert names <= set(roles.ROLES) | scopes, row
        assert "owner" in names, f"{row}: an owner may do everything"


def test_each_address_without_a_workspace_is_on_the_list_of_open_ones() -> None:
    paths = [roles.shown(route.path) for route in OTHERS]
    unlisted = [
        path for path in paths if path != "/" and not any(path.startswith(one) for one in OPEN)
    ]
    assert unlisted == []
    assert [one for one in OPEN if not any(path.startswith(one) for path in paths)] == []


def test_each_role_and_each_scope_may_at_each_route_what_the_file_says(walk: Walk) -> None:
    wrong, seen = [], Counter[int]()
    for row, names in ROWS.items():
        scopes = SCOPE_PERMISSIONS if row.path.startswith("/api/") else ()
        for name in (*roles.ROLES, *scopes):
            status = walk.status(name, row, may=name in names)
            seen[status] += 1
            if name in names:
                good = status not in {401, 403, 404, 429} and status < 500
            else:
                good = status == 403
            if not good:
                wrong.append(f"{row.key} {name}: {status}, may: {name in names}")
    assert not wrong, "\n".join(wrong)
    assert seen.total() >= 1000, seen
    assert seen[403] >= 400, seen
