"""What the walk of all addresses needs: actors, calls, canaries in a tenant's rows, checksums."""

from __future__ import annotations

import inspect
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx2
from django.db import DatabaseError, connection, transaction

from tenants.models import Tenant
from tenants.scoping.context import tenant_scope
from tests.routes import Route

CSRF = "a" * 32
_READS = re.compile(r"(?:GET|query_params)(?:\.get\(|\[)\s*\"(\w+)\"")
_REQUEST_ID = re.compile(rb"req_[0-9a-f]{32}")
_TIME = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)|\d{10}\.\d+")
_TOKEN = re.compile(rb"(?<!\w)[A-Za-z0-9]{64}(?!\w)")

_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Actor:
    """Somebody who calls: a key, a session, or nobody."""

    name: str
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def nobody(cls) -> Actor:
        return cls("anonymous", {"Cookie": f"csrf={CSRF}", "X-CSRFToken": CSRF})

    @classmethod
    def key(cls, name: str, text: str) -> Actor:
        return cls(name, {"Authorization": f"Bearer {text}"})

    @classmethod
    def session(cls, name: str, cookie: str) -> Actor:
        cookies = f"session={cookie}; csrf={CSRF}"
        return cls(name, {"Cookie": cookies, "X-CSRFToken": CSRF})


@dataclass(frozen=True)
class Call:
    """One request, and the same with an id that nobody has."""

    actor: Actor
    method: str
    path: str
    twin: str
    body: dict[str, Any] | None = None
    twin_body: dict[str, Any] | None = None
    compare: bool = False

    def send(self, client: httpx2.Client, *, twin: bool = False) -> httpx2.Response:
        path, body = (self.twin, self.twin_body) if twin else (self.path, self.body)
        if self.method == "get":
            return client.get(path, headers=self.actor.headers)
        if "/api/v1/" in path or self.method != "post":
            call = client.request
            return call(self.method.upper(), path, json=body or {}, headers=self.actor.headers)
        form = {"text": "fine", **(body or {})}
        return client.post(path, data=form, headers=self.actor.headers)


def shape(answer: httpx2.Response, *values: dict[str, object]) -> tuple[int, bytes]:
    """Return what is the same in two answers that only differ in the id that was asked for."""
    body = answer.content
    for found in values:
        for value in found.values():
            body = body.replace(str(value).encode(), b"")
    for pattern in (_REQUEST_ID, _TIME, _TOKEN, _UUID):
        body = pattern.sub(b"", body)
    return answer.status_code, body


def query_names(route: Route) -> list[str]:
    """Return the query parameters that the module of a route's view reads."""
    view = getattr(route.view, "cls", None) or inspect.unwrap(route.view)
    module = inspect.getmodule(view)
    return sorted(set(_READS.findall(inspect.getsource(module)))) if module else []


def tenant_tables() -> list[str]:
    """Return every table under a forced policy."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select relname from pg_class where relkind = 'r' and relrowsecurity"
            " and relforcerowsecurity and relnamespace = 'public'::regnamespace order by 1"
        )
        return [name for (name,) in cursor.fetchall()]


def counts_of(tenant: Tenant) -> dict[str, int]:
    """Return how many rows the tenant has in each table."""
    found = {}
    with tenant_scope(tenant.pk), connection.cursor() as cursor:
        for table in tenant_tables():
            cursor.execute(f'select count(*) from "{table}"')
            found[table] = cursor.fetchone()[0]
    return found


def checksums_of(tenant: Tenant) -> dict[str, str]:
    """Return a checksum over all of the tenant's rows, by table; the directories' rows too."""
    found = {}
    with tenant_scope(tenant.pk), connection.cursor() as cursor:
        for table in tenant_tables():
            cursor.execute(f"select md5(string_agg(t::text, '|' order by t::text)) from {table} t")
            found[table] = cursor.fetchone()[0]
        for table in ("tenants_membership", "tenants_apikey"):
            cursor.execute(
                f"select md5(string_agg(t::text, '|' order by t::text)) from {table} t"
                " where tenant_id = %s",
                [tenant.pk],
            )
            found[table] = cursor.fetchone()[0]
        cursor.execute("select t::text from tenants_tenant t where id = %s", [tenant.pk])
        found["tenants_tenant"] = cursor.fetchone()[0]
    return found


MACHINES = {
    *("actor_id", "artifact_prefix", "author", "base", "kind", "requested_by", "rejects_key"),
    *("rows_key", "spec", "storage_key", "route", "phase", "engine_version"),
}
"""Columns that no customer fills: keys of objects, ids of people, words of the code."""


def plant(tenant: Tenant, text: str, *, keep: int = 20) -> int:
    """Write `text` into every text of the tenant's rows that takes one; return how many.

    Args:
        tenant: Whose rows.
        text: What; cut where a column is too short for it.
        keep: How much of the old text stays before it.
    """
    planted = 0
    with tenant_scope(tenant.pk), connection.cursor() as cursor:
        cursor.execute(
            "select table_name, column_name, coalesce(character_maximum_length, 100000)"
            " from information_schema.columns"
            " where table_schema = 'public' and data_type in ('text', 'character varying')"
            " and coalesce(character_maximum_length, 1000) >= 60"
            " and table_name = any(%s) order by 1, 2",
            [tenant_tables()],
        )
        for table, column, most in cursor.fetchall():
            if column in MACHINES:
                continue
            try:
                with transaction.atomic():
                    cursor.execute(
                        f'update "{table}" set "{column}" = left(left("{column}", %s) || %s, %s)'
                        f" where \"{column}\" <> ''",
                        [keep, text, most],
                    )
                    planted += cursor.rowcount
            except DatabaseError:
                continue  # a state, a reference, or a table that only grows
    return planted


def nobodys(values: dict[str, object]) -> dict[str, object]:
    """Return an id of nothing for each of the values."""
    return {
        # A neighbour in time: as a cursor it stands where the id stands.
        name: uuid.UUID(int=value.int ^ 0xFFFF)
        if isinstance(value, uuid.UUID)
        else 987_654_321
        if isinstance(value, int)
        else f"no-such-{uuid.uuid4().hex[:8]}"
        for name, value in values.items()
    }


class Forms(HTMLParser):
    """The POST forms of a page: address, field -> value; None where one types, not chooses."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = given.get("method", "").lower() == "post"
            if self._open:
                self.found.append((given.get("action", ""), {}))
        elif self._open and tag in {"input", "select", "textarea"} and given.get("name"):
            chosen = tag == "select" or given.get("type") in {"hidden", "radio", "checkbox"}
            self.found[-1][1].setdefault(given["name"], given.get("value", "") if chosen else None)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False


def forms_of(page: str) -> list[tuple[str, dict[str, str | None]]]:
    """Return the POST forms of a page."""
    parser = Forms()
    parser.feed(page)
    return parser.found


def id_fields(document: dict[str, Any], schema: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield the fields of a body that take an id or a name, and whether as a list."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    for name, found in schema.get("properties", {}).items():
        inner = found.get("items", found)
        if inner.get("format") == "uuid" or name in {"deployment", "name"}:
            yield name, "items" in found


def example_of(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """Return a plain value that the schema allows."""
    if "$ref" in schema:
        return example_of(document, document["components"]["schemas"][schema["$ref"][21:]])
    inner = [schema[words][0] for words in ("allOf", "oneOf", "anyOf") if words in schema]
    if inner:
        return example_of(document, inner[0])
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        wanted = schema.get("required", [])
        properties = schema.get("properties", {})
        return {name: example_of(document, properties[name]) for name in wanted}
    if kind == "array":
        return [example_of(document, schema.get("items", {}))]
    text = str(uuid.uuid4()) if schema.get("format") == "uuid" else "x"
    return {"integer": schema.get("minimum", 1), "number": 1.0, "boolean": False}.get(kind, text)
