"""Every route of the URLconf, with an address made of a tenant's own objects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from tenants.access import SCOPE_PERMISSIONS

METHODS = ("get", "post", "put", "patch", "delete")
_PARAMETER = re.compile(r"<(?:(\w+):)?(\w+)>|\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)")
NOBODYS: dict[str, object] = {"uuid": "00000000-0000-7000-8000-000000000000", "int": 999_999}
BODIES = {
    "uploads": {"filename": "a.csv", "bytes": 10},
    "parts": {"numbers": [1]},
    "import": {"text": "text", "label": "label"},
    "predict": {"inputs": "fine"},
    "rotate": {"overlap": "86400"},
    "api rotate": {"overlap_seconds": 3600},
    "<uuid:member_id>": {"role": "viewer"},
    "api datasets/<uuid:dataset_id>": {"name": "reviews"},
    "api <uuid:dataset_id>/changes": {
        "kind": "tag",
        "params": {"selection": {"filters": {}}, "tag": "seen"},
    },
    "api <uuid:dataset_id>/words": {"csv": "good,fine"},
    "api <uuid:dataset_id>/connectors": {
        "name": "news",
        "kind": "feed",
        "url": "https://example.com/feed.xml",
    },
    "api <uuid:dataset_id>/rows": {"rows": [{"text": "fine"}]},
    "api <uuid:dataset_id>/exports": {"format": "csv"},
    "api <uuid:dataset_id>/picks": {"examples": [NOBODYS["uuid"]]},
    "api versions/<uuid:version_id>": {"notes": "Winter only."},
    "api <uuid:version_id>/delete": {"name": "reviews v1"},
}
"""A good body by the last words of a route, its API's own first: only the object decides."""


@dataclass(frozen=True)
class Route:
    """One pattern of the URLconf."""

    path: str
    view: Any = field(compare=False, repr=False)

    def for_keys(self, method: str) -> bool:
        """Tell whether some key's scope opens this API route."""
        needed = self.view.cls.permissions.get(method.upper())
        return needed is None or any(needed in granted for granted in SCOPE_PERMISSIONS.values())

    @property
    def parameters(self) -> list[str]:
        return [one or other for _kind, one, other in _PARAMETER.findall(self.path)]

    @property
    def body(self) -> dict[str, object]:
        words = self.path.split("/")
        last, two = words[-1], "/".join(words[-2:])
        ours = (BODIES.get(f"api {two}") or BODIES.get(f"api {last}")) if self.is_api else None
        return ours or BODIES.get(last, {})

    @property
    def is_api(self) -> bool:
        return "api/v1/" in self.path

    def filled(self, values: Mapping[str, object]) -> str:
        """Return the address with a value for each parameter; nobody's where none is given."""
        if "model-versions/" in self.path:
            values = {**values, "version_id": values["model_version_id"], "name": "config.json"}

        def value(found: re.Match[str]) -> str:
            return str(values.get(found[2] or found[3], NOBODYS.get(found[1] or "", "nobodys")))

        return "/" + _PARAMETER.sub(value, self.path)


def _walk(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[Route]:
    for one in patterns:
        path = prefix + str(one.pattern).lstrip("^").rstrip("$").removesuffix(r"\Z")
        if isinstance(one, URLResolver):
            yield from _walk(one.url_patterns, path)
        else:
            yield Route(path, one.callback)


EVERY = list(dict.fromkeys(_walk(get_resolver().url_patterns)))
API = [route for route in EVERY if route.path.startswith("api/v1/")]
PAGES = [route for route in EVERY if route.path.startswith("t/")]
OTHERS = [route for route in EVERY if route not in API and route not in PAGES]
"""Routes that belong to no workspace: people's own, the public ones, health."""
