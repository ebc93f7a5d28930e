"""OpenAPI: only the key routes (`/api/v1/`) are described; the pages' mount is the same set."""

from __future__ import annotations

from typing import Any


def only_key_routes(endpoints: list[tuple[str, str, str, Any]], **_: Any) -> list[Any]:
    """Drop the routes below `/t/<slug>/`."""
    return [row for row in endpoints if row[0].startswith("/api/v1/")]
