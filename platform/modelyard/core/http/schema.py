"""OpenAPI: only the key routes (`/api/v1/`) are described; the pages' mount is the same set.

What every route can answer is added here and not in each view, so that no view can forget it.
"""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from modelyard.core.http.pagination import Pages
from modelyard.core.http.parsers import MAX_INTEGER
from modelyard.core.http.serializers import BodySerializer

_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_ANYWHERE = {
    "400": "The request can't be read: JSON, encoding, or a field that is not known.",
    "401": "No API key, or one that is unknown, expired or revoked.",
    "403": "The key's scopes, or its network, do not allow this.",
    "404": "No such thing in this workspace.",
    "409": "Not in this state, or the same request is under way.",
    "406": "Only JSON is answered.",
    "422": "Understood, and wrong.",
}
_WRITES = {
    "402": "A limit of the plan is reached.",
    "413": "The body is larger than 2 MiB.",
    "415": "Only JSON is read.",
}
_PAGE = [
    {
        "in": "query",
        "name": "cursor",
        "schema": {"type": "string"},
        "description": "Take it from `next` of the page before.",
    },
    {
        "in": "query",
        "name": "limit",
        "schema": {"type": "integer", "minimum": 1, "maximum": Pages.max_page_size},
        "description": f"Rows a page, {Pages.page_size} if not given.",
    },
]


def only_key_routes(endpoints: list[tuple[str, str, str, Any]], **_: Any) -> list[Any]:
    """Drop the routes below `/t/<slug>/`."""
    return [row for row in endpoints if row[0].startswith("/api/v1/")]


def refusals(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add to each operation the problem documents that it can answer."""
    for methods in result["paths"].values():
        for method, operation in methods.items():
            known = _ANYWHERE if method == "get" else {**_ANYWHERE, **_WRITES}
            for status, description in known.items():
                content = {"application/problem+json": {"schema": _PROBLEM}}
                answer = {"description": description, "content": content}
                operation["responses"].setdefault(status, answer)
    return result


def closed_bodies(result: dict[str, Any], generator: Any, **_: Any) -> dict[str, Any]:
    """Say of each body what `BodySerializer` and the parser ask for beside the fields' types."""
    for component in generator.registry._components.values():  # noqa: SLF001 - no public name
        kind = component.object
        serializer = kind() if isinstance(kind, type) else kind
        if isinstance(serializer, BodySerializer):
            schema = result["components"]["schemas"][component.name]
            schema["additionalProperties"] = False
            for name, field in serializer.fields.items():
                _narrow(schema.get("properties", {}).get(name, {}), field)
    return result


def _narrow(schema: dict[str, Any], field: Any) -> None:
    """Add the limits that drf-spectacular leaves out: blank texts, numbers beyond 64 bits."""
    if isinstance(field, serializers.ListField):
        _narrow(schema.get("items", {}), field.child)
    elif isinstance(field, serializers.CharField) and not field.allow_blank:
        schema.setdefault("minLength", 1)
    elif isinstance(field, serializers.IntegerField):
        schema.setdefault("minimum", -MAX_INTEGER - 1)
        schema.setdefault("maximum", MAX_INTEGER)


def lists(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Describe every list as what it is: one page, with a cursor to the next."""
    for methods in result["paths"].values():
        operation = methods.get("get", {})
        content = operation.get("responses", {}).get("200", {}).get("content", {})
        media = content.get("application/json", {})
        if media.get("schema", {}).get("type") == "array":
            media["schema"] = Pages().get_paginated_response_schema(media["schema"])
            operation.setdefault("parameters", []).extend(_PAGE)
    return result
