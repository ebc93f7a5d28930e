"""How OpenAPI describes what every route has: a bearer key, limits, the Idempotency-Key."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

_RATE = {
    "X-RateLimit-Limit": "Requests that may come at once after a quiet time.",
    "X-RateLimit-Remaining": "How many of them are left now.",
    "X-RateLimit-Reset": "Seconds until all of them are.",
}
_WAIT = {"Retry-After": "Seconds to wait."}
_PROBLEM = {
    "type": "object",
    "description": "Problem document (RFC 9457); further fields by code.",
    "required": ["type", "title", "status", "code", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
    },
}
_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "maxLength": 255},
    "description": "The same request with the same key within 24 hours acts once.",
}


def _headers(words: dict[str, str]) -> dict[str, Any]:
    return {
        name: {"schema": {"type": "integer"}, "description": word} for name, word in words.items()
    }


def _refusal(description: str, words: dict[str, str]) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": description,
        "headers": _headers(words),
        "content": {"application/problem+json": {"schema": schema}},
    }


def every_route(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Describe what no view says itself (a post-processing hook of drf-spectacular)."""
    result["components"].setdefault("schemas", {}).setdefault("Problem", _PROBLEM)
    for methods in result["paths"].values():
        for method, operation in methods.items():
            answers = operation["responses"]
            for answer in answers.values():
                answer.setdefault("headers", {}).update(_headers(_RATE))
            answers.setdefault("429", _refusal("Too many requests.", {**_RATE, **_WAIT}))
            answers.setdefault("503", _refusal("A part is out of reach; try again.", _WAIT))
            if method in {"post", "put", "patch", "delete"}:
                answers.setdefault("422", _refusal("Understood, and wrong.", _RATE))
                parameters = operation.setdefault("parameters", [])
                if all(one["name"] != _KEY["name"] for one in parameters):
                    parameters.append(_KEY)
    return result


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """`Authorization: Bearer mdy_...`."""

    target_class = "tenants.http.ActorAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the security scheme object."""
        del auto_schema
        return {"type": "http", "scheme": "bearer", "bearerFormat": "mdy_..."}
