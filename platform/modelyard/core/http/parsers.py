"""A JSON parser that refuses what PostgreSQL or the stack can't take, with a sentence.

U+0000 and lone surrogates can't be stored as text, deep nesting exhausts the parser
(stock DRF answers 500 to all three), 1e999 is no number that JSON can give back, integers
beyond 64 bits fit no column, and of two equal names only one would count (RFC 8259, section 4).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import IO, Any

from django.utils.translation import gettext as _
from rest_framework.parsers import BaseParser

from modelyard.core.errors import DomainError, TooLarge

MAX_BYTES = 2 * 1024**2
MAX_DEPTH = 32
MAX_INTEGER = 2**63 - 1
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def _malformed(sentence: str) -> DomainError:
    return DomainError(sentence, code="malformed")


def _too_deep(text: str) -> bool:
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest > MAX_DEPTH


def _constant(name: str) -> None:
    raise _malformed(_("%(name)s is not JSON.") % {"name": name})


def _integer(text: str) -> int:
    # Counted before it is read: reading digits takes time that grows with their square.
    if len(text) > 20 or not -MAX_INTEGER - 1 <= int(text) <= MAX_INTEGER:
        raise _malformed(_("A number is too large: whole numbers may have 64 bits."))
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _malformed(_("A number is too large: it must be below 1.8e308."))
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _malformed(_("An object has the same name twice. Keep one of them."))
    return found


def _check_text(value: Any) -> None:
    """Refuse text that can't be stored, in values and names at any depth."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            if "\x00" in one:
                raise _malformed(_("Text must not contain U+0000."))
            if _SURROGATE.search(one):
                raise _malformed(_("Text must not contain half a surrogate pair."))
        elif isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one


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
                raise _malformed(_("The JSON is nested too deeply."))
            value = json.loads(
                text,
                parse_constant=_constant,
                parse_int=_integer,
                parse_float=_float,
                object_pairs_hook=_object,
            )
        except ValueError as error:
            raise _malformed(
                _("The body is not valid JSON in UTF-8: %(why)s") % {"why": error}
            ) from error
        _check_text(value)
        return value
