"""A JSON parser that refuses what PostgreSQL or the stack can't take, with a sentence.

U+0000 and lone surrogates can't be stored as text, deep nesting exhausts the parser
(stock DRF answers 500 to all three).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from django.utils.translation import gettext as _
from rest_framework.parsers import BaseParser

from modelyard.core.errors import DomainError, TooLarge

MAX_BYTES = 2 * 1024**2
MAX_DEPTH = 32


def _too_deep(text: str) -> bool:
    depth = deepest = 0
    inside = escaped = False
    for character in text:
        if inside:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                inside = False
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest > MAX_DEPTH


def _refuse_constant(name: str) -> None:
    raise DomainError(_("%(name)s is not JSON.") % {"name": name}, code="malformed")


class StrictJsonParser(BaseParser):
    """`application/json`, UTF-8, at most 2 MiB, at most 32 levels."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the value.

        Raises:
            DomainError: 400 `malformed`, or 413 `too_large`.
        """
        del media_type, parser_context
        body = stream.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise TooLarge(_("The body may have 2 MiB. Upload files instead."))
        try:
            text = body.decode("utf-8")
            if _too_deep(text):
                raise DomainError(_("The JSON is nested too deeply."), code="malformed")
            value = json.loads(text, parse_constant=_refuse_constant)
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except ValueError as error:
            raise DomainError(
                _("The body is not valid JSON in UTF-8: %(why)s") % {"why": error}, code="malformed"
            ) from error
        if "\\u0000" in text or "\x00" in text:
            raise DomainError(_("Text must not contain U+0000."), code="malformed")
        return value
