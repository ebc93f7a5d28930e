"""Keyset pages on uuid7 ids: newest first, no totals, no offsets."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from modelyard.core.errors import Invalid


class Pages(CursorPagination):
    """`{"data": [...], "next": url|null, "has_more": bool}`, 50 a page, 200 at most."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200

    def get_page_size(self, request: Request) -> int:
        """Return `limit`, or 50 without one.

        Raises:
            Invalid: It is not a number from 1 to 200.
        """
        text = request.query_params.get(self.page_size_query_param)
        if text is None:
            return self.page_size
        if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= self.max_page_size:
            raise Invalid(
                _("`limit` is the number of rows a page: 1 to %(most)d.")
                % {"most": self.max_page_size},
                code="limit_invalid",
            )
        return int(text)

    def decode_cursor(self, request: Request) -> Any:
        """Read the cursor of the address.

        Raises:
            Invalid: It is not one of ours.
        """
        try:
            found = super().decode_cursor(request)
            if found is not None and found.position is not None:
                uuid.UUID(str(found.position))
        except (NotFound, ValueError) as error:
            raise _broken() from error
        return found

    def get_paginated_response(self, data: object) -> Response:
        """Wrap one page."""
        following = self.get_next_link()
        return Response({"data": data, "next": following, "has_more": following is not None})

    def get_paginated_response_schema(self, schema: dict[str, object]) -> dict[str, object]:
        """Describe the wrapper for OpenAPI."""
        return {
            "type": "object",
            "required": ["data", "next", "has_more"],
            "properties": {
                "data": schema,
                "next": {"type": ["string", "null"], "format": "uri"},
                "has_more": {"type": "boolean"},
            },
        }


def _broken() -> Invalid:
    return Invalid(
        _("This page's link is broken. Go back to the first page."), code="cursor_invalid"
    )


@dataclass(frozen=True)
class Keyset:
    """One page of rows for a template; `next` is the cursor of the page after it, or ''."""

    rows: list[Any]
    next: str


def keyset(rows: QuerySet[Any], cursor: str, *, size: int = 25) -> Keyset:
    """Return the rows after `cursor` (a row's id; '' is the first page), newest first.

    Raises:
        Invalid: The cursor is not one of ours.
    """
    rows = rows.order_by("-id")
    if cursor:
        try:
            rows = rows.filter(pk__lt=uuid.UUID(cursor))
        except ValueError as error:
            raise _broken() from error
    found = list(rows[: size + 1])
    more = found[size - 1].pk.hex if len(found) > size else ""
    return Keyset(found[:size], more)
