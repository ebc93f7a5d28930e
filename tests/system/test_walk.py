"""No tenant reaches another's things, over HTTP, at a real web process with the web role.

Every route x method x another tenant's id in path, query and body x everybody who may call.
All of it is derived from the URLconf, the OpenAPI document and PostgreSQL's catalog: a new
route without an object for its parameters fails, and so does a new table without a row.
"""

from __future__ import annotations

import datetime
import itertools
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx2
import pytest
from drf_spectacular.generators import SchemaGenerator

from modelyard.core import clock
from tenants.access import SCOPE_PERMISSIONS
from tenants.models import ApiKey, Tenant, User
from tenants.scoping.context import tenant_scope
from tenants.trail.services import trail_seal
from tests.factories import add_member, make_key, make_tenant, signed_in
from tests.integration.test_isolation import ABSENT, known
from tests.routes import API, METHODS, PAGES, Route
from tests.system.walking import (
    Actor,
    Call,
    checksums_of,
    counts_of,
    example_of,
    forms_of,
    id_fields,
    nobodys,
    plant,
    query_names,
    shape,
)
from tests.webserver import WebProcess, web_process
from training.serving.models import Deployment

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]
CANARY = "zqcanaryqz"
DEEP = bool(os.environ.get("MODELYARD_DEEP"))
THREADS = 8
NO_ROW = {
    # Table -> why a walk needs no row of it.
}


@dataclass
class World:
    """Alpha's people and keys look for Beta's things."""

    alpha: Tenant
    beta: Tenant
    mine: dict[str, object]
    theirs: dict[str, object]
    people: dict[str, Actor]
    keys: dict[str, Actor]
    owner_of_beta: Actor
    key_of_beta: Actor
    nobody: Actor = field(default_factory=Actor.nobody)


def _session(user: User, name: str) -> Actor:
    return Actor.session(name, signed_in(user).cookies["session"].value)


def _expired(tenant: Tenant) -> str:
    text = make_key(tenant)
    ago = clock.now() - datetime.timedelta(days=1)
    newest = ApiKey.objects.filter(tenant=tenant).latest("created_at")
    ApiKey.objects.filter(pk=newest.pk).update(expires_at=ago)
    return text


def make_world() -> World:
    """Make both tenants with one of everything; Beta's texts all carry the canary."""
    alpha, beta = make_tenant(name="Alpha"), make_tenant(name=f"Beta {CANARY}")
    mine, theirs = known(alpha), known(beta)
    with tenant_scope(alpha.pk):
        Deployment.objects.update(name="our-own")
    mine["name"] = "our-own"
    every = sorted(SCOPE_PERMISSIONS)
    keys = {scope: Actor.key(f"key {scope}", make_key(alpha, [scope])) for scope in every}
    keys["all"] = Actor.key("key all", make_key(alpha, every))
    owner, viewer = alpha.memberships.get(role="owner").user, add_member(alpha, "viewer")
    people = {"owner": _session(owner, "owner"), "viewer": _session(viewer, "viewer")}
    beta_owner = _session(beta.memberships.get(role="owner").user, "Beta's owner")
    beta_key = Actor.key("Beta's key", make_key(beta, every))
    keys["expired"] = Actor.key("key expired", _expired(alpha))
    trail_seal()
    assert plant(beta, CANARY) >= 15
    return World(alpha, beta, mine, theirs, people, keys, beta_owner, beta_key)


def in_paths(world: World) -> Iterator[Call]:
    """Beta's ids in the path: of the API, of Beta's pages, of Alpha's pages."""
    none = nobodys(world.theirs)
    inside = {**world.theirs, "slug": world.alpha.slug}, {**none, "slug": world.alpha.slug}
    visitors = [*world.people.values(), world.nobody]
    kinds: list[tuple[list[Route], tuple[dict[str, object], ...], list[Actor], str]] = [
        (
            [route for route in API if route.parameters],
            (world.theirs, none),
            [*world.keys.values(), world.nobody],
            "key all",
        ),
        (PAGES, (world.theirs, none), visitors, "owner"),
        ([one for one in PAGES if set(one.parameters) - {"slug"}], inside, visitors, "owner"),
    ]
    for routes, (ids, twins), actors, main in kinds:
        for route, actor in itertools.product(routes, actors):
            paths = (route.filled(ids), route.filled(twins))
            for method in _methods(paths[0], actor.name == main):
                body = (route.body, route.body)
                compare = actor.name == main and method in METHODS[:2]
                yield Call(actor, method, *paths, *body, compare=compare)


def _methods(path: str, is_main: bool) -> tuple[str, ...]:
    """Return the methods to try: all of them where they may mean something."""
    if DEEP or path.startswith("/api/v1/"):
        return METHODS
    return METHODS if is_main and "/api/v1/" in path and "alpha" in path else METHODS[:2]


def in_queries(world: World) -> Iterator[Call]:
    """Beta's ids as filters and cursors of Alpha's lists."""
    ids = {**world.theirs, "cursor": world.theirs["dataset_id"]}
    for route in [*API, *PAGES]:
        actor = world.keys["all"] if route in API else world.people["owner"]
        for name in query_names(route):
            value = ids.get(name, ids.get(f"{name}_id", world.theirs["dataset_id"]))
            twin = nobodys({name: value})[name]
            path = route.filled(world.mine)
            paths = (f"{path}?{name}={value}", f"{path}?{name}={twin}")
            # Each download of the audit log adds a line to it.
            yield Call(actor, "get", *paths, compare=not path.endswith(".jsonl"))


def in_bodies(world: World) -> Iterator[Call]:
    """Beta's ids in bodies of requests about Alpha's own things."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    for route in API:
        address = "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.path)
        for method, operation in document["paths"][address].items():
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            plain = example_of(document, schema) if schema else {}
            for name, many in id_fields(document, schema):
                for value in world.theirs.values():
                    twin = nobodys({"x": value})["x"]
                    given = [
                        {**plain, name: [str(one)] if many else str(one)} for one in (value, twin)
                    ]
                    path = route.filled(world.mine)
                    yield Call(world.keys["all"], method, path, path, *given, compare=True)


def in_forms(world: World, client: httpx2.Client) -> Iterator[Call]:
    """Beta's ids in every field of every form on Alpha's pages; all of them where one chooses."""
    owner = world.people["owner"]
    seen = set()
    for route in PAGES:
        path = route.filled(world.mine)
        answer = client.get(path, headers=owner.headers)
        for action, fields in forms_of(answer.text) if answer.status_code == 200 else []:
            where = action or path
            if not where.startswith(f"/t/{world.alpha.slug}/") or (where, *fields) in seen:
                continue
            seen.add((where, *fields))
            for name in set(fields) - {"csrfmiddlewaretoken"}:
                every = list(world.theirs.values())
                for value in every if fields[name] is not None else every[:1]:
                    yield Call(owner, "post", where, where, {**fields, name: str(value)})


def judge(call: Call, client: httpx2.Client, world: World) -> tuple[str, str]:
    """Send a call; return what is wrong with the answer ('' if nothing), and its kind."""
    answer = call.send(client)
    where = f"{call.actor.name}: {call.method} {call.path} {call.body or ''}"
    raw = b"\n".join(name + b":" + value for name, value in answer.headers.raw) + answer.content
    # A workspace's own address may be said back to who asked for it.
    raw = raw.replace(world.beta.slug.encode(), b"")
    if CANARY.encode() in raw:
        return f"{where}: the other tenant's text is in the answer", "leak"
    status = answer.status_code
    if status >= 500 or status == 429:
        return f"{where}: {status} {answer.text[:300]}", "broken"
    if call.compare or status == 403:
        pair = (answer, call.send(client, twin=True))
        # "A second ago" differs from "two seconds ago": ask again before it is called a difference.
        if not _alike(pair, call, world):
            pair = (call.send(client), call.send(client, twin=True))
        if not _alike(pair, call, world):
            return f"{where}: {status} unlike {pair[1].status_code} for nobody's id", "oracle"
    return "", str(status)


def _alike(pair: tuple[httpx2.Response, httpx2.Response], call: Call, world: World) -> bool:
    words = _differing(call.path, call.twin)
    for name, value in (call.twin_body or {}).items():
        words[name] = value[0] if isinstance(value, list) and value else value
    words = {name: value for name, value in words.items() if len(str(value)) > 7}
    gone = nobodys(world.theirs)
    return shape(pair[0], world.theirs, gone) == shape(pair[1], world.theirs, words)


def _differing(path: str, twin: str) -> dict[str, object]:
    parts = zip(re.split(r"[/?=&]", path), re.split(r"[/?=&]", twin), strict=True)
    return {str(at): two for at, (one, two) in enumerate(parts) if one != two}


def expected(call: Call, kind: str) -> bool:
    """Tell whether a status is right for a call with another tenant's id in its path."""
    api = "/api/v1/" in call.path
    if call.actor.name in {"anonymous", "key expired"}:
        refused = {"401"} if api else {"302"}
        # A prediction's door is asked by POST only, before anybody's key is.
        return kind in (refused | {"405"} if call.path.endswith("/predict") else refused)
    return kind in {"404", "403", "405"}


@pytest.fixture
def web(transactional_db: None) -> Iterator[WebProcess]:
    del transactional_db
    with web_process() as found:
        yield found


def _walked(calls: list[Call], client: httpx2.Client, world: World) -> list[tuple[Call, str, str]]:
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(lambda call: judge(call, client, world), calls))
    return [(call, *one) for call, one in zip(calls, found, strict=True)]


def test_nobody_reaches_another_tenants_things_in_two_thousand_requests(web: WebProcess) -> None:
    world = make_world()
    missing = {name for route in [*API, *PAGES] for name in route.parameters} - set(world.theirs)
    assert missing == set(), "make one in tests/factories_objects.py"
    empty = {table for table, count in counts_of(world.beta).items() if count == 0}
    assert empty == set(NO_ROW), "make a row in tests/factories_objects.py"
    before = checksums_of(world.beta)
    with httpx2.Client(base_url=web.url, timeout=30) as client:
        paths = _walked(list(in_paths(world)), client, world)
        others = _walked([*in_queries(world), *in_bodies(world)], client, world)
        forms = _walked(list(in_forms(world, client)), client, world)
    wrong = [why for _call, why, _kind in [*paths, *others, *forms] if why]
    wrong += [
        f"{call.actor.name}: {call.method} {call.path}: {kind}"
        for call, why, kind in paths
        if not why and not expected(call, kind)
    ]
    print(f"{len(paths)} in paths, {len(others)} in queries and bodies, {len(forms)} in forms")
    assert wrong == [], "\n".join([f"{len(wrong)} wrong", *wrong[:40]])
    after = checksums_of(world.beta)
    assert {name for name, value in after.items() if value != before[name]} == set()
    assert len(paths) + len(others) + len(forms) >= 2000
    assert len(others) >= 100
    _owners_own_calls_are_answered(world, web)
    assert "Traceback" not in web.log.read_text()


def _owners_own_calls_are_answered(world: World, web: WebProcess) -> None:
    good, seen, bad = 0, 0, []
    with httpx2.Client(base_url=web.url, timeout=30) as client:
        for route in [*API, *PAGES]:
            if route in API and not route.for_keys("get"):
                continue
            actor = world.key_of_beta if route in API else world.owner_of_beta
            answer = client.get(route.filled(world.theirs), headers=actor.headers)
            if answer.status_code == 405 or any(code in answer.text for code in ABSENT):
                continue
            good += answer.status_code < 400
            seen += CANARY in answer.text
            if answer.status_code >= 400:
                bad.append((route.path, answer.status_code, answer.text[:300]))
    assert good / (good + len(bad)) >= 0.95, bad
    assert seen >= 30, "the canaries can be seen, by whom they belong to"
