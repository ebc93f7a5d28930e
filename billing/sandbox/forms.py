"""Stripe's form encoding: `items[0][price]=price_1&expand[]=customer` becomes nested values."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from billing.sandbox.errors import Refused

_KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")


def parse(text: str) -> dict[str, Any]:
    """Return the parameters of a body or query; what is numbered becomes a list.

    Raises:
        Refused: A name can't be read, or stands for a value and a group at once.
    """
    root: dict[str, Any] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        found = _KEY.match(key)
        if found is None:
            raise Refused(f"Invalid parameter name: {key}", param=key)
        place, path = root, [found[1], *re.findall(r"\[([^\[\]]*)\]", found[2])]
        for step in path[:-1]:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise Refused(f"Invalid object: {key}", param=key)
        last = path[-1] if path[-1] else str(len(place))
        place[last] = value
    return {name: _lists(value) for name, value in root.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _lists(one) for name, one in value.items()}
    if inner and all(name.isdigit() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner


def group(params: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a parameter that is a group; an absent or emptied one is `{}`.

    Raises:
        Refused: It is something else.
    """
    value = params.get(name) or {}
    if not isinstance(value, dict):
        raise Refused("Invalid object", param=name)
    return value


def rows(params: dict[str, Any], name: str) -> list[Any]:
    """Return a parameter that is a list; an absent one is empty.

    Raises:
        Refused: It is something else.
    """
    value = params.get(name) or []
    if not isinstance(value, list):
        raise Refused("Invalid array", param=name)
    return value


def boolean(params: dict[str, Any], name: str, default: bool | None = None) -> bool | None:
    """Return a parameter that is `true` or `false`.

    Raises:
        Refused: It is something else.
    """
    value = params.get(name)
    if value is None:
        return default
    if value not in {"true", "false"}:
        raise Refused(f"Invalid boolean: {value}", param=name)
    return bool(value == "true")


def whole(params: dict[str, Any], name: str, default: int, *, least: int, most: int) -> int:
    """Return a parameter that is a whole number within bounds.

    Raises:
        Refused: It is something else.
    """
    text = str(params.get(name, default))
    if not text.isdigit() or not least <= int(text) <= most:
        raise Refused(f"Invalid integer: {text}", param=name)
    return int(text)
