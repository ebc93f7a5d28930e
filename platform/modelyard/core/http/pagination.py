"""Keyset pages on uuid7 ids: newest first, no totals, no offsets."""

from __future__ import annotations

from rest_framework.pagination import CursorPagination
from rest_framework.response import Response


class Pages(CursorPagination):
    """`{"data": [...], "next": url|null, "has_more": bool}`, 50 a page, 200 at most."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200

    def get_paginated_response(self, data: object) -> Response:
        """Wrap one page."""
        following = self.get_next_link()
        return Response({"data": data, "next": following, "has_more": following is not None})

    def get_paginated_response_schema(self, schema: dict[str, object]) -> dict[str, object]:
        """Describe the wrapper for OpenAPI."""
        return {
            "type": "object",
            "required": ["data", "has_more"],
            "properties": {
                "data": schema,
                "next": {"type": "string", "format": "uri", "nullable": True},
                "has_more": {"type": "boolean"},
            },
        }
