"""The matrix of roles: `docs/roles.toml` read, and rows proposed for routes that it lacks.

    python -m tests.roles            print the rows that the file lacks or has too many
    python -m tests.roles --write    put them into the file; what stands there stays

A proposed row says what the view declares (`@requires`, `permissions`). Whoever adds a route
reads its row and asks: is this what the product should allow?
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).resolve().parents[1] / "docs" / "roles.toml"
ROLES = ("owner", "admin", "builder", "reviewer", "labeler", "billing", "viewer")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
NOBODY = "-"


class Row(NamedTuple):
    """One method of one route."""

    method: str
    path: str

    @property
    def key(self) -> str:
        return f"{self.method:<6} {self.path}"


def read() -> tuple[dict[Row, frozenset[str]], dict[str, str]]:
    """Return row -> names (roles, and scopes of keys) that may; open prefix -> why."""
    held = tomllib.loads(FILE.read_text(encoding="utf-8"))
    rows = {}
    for table in ("pages", "api"):
        for key, names in held[table].items():
            method, path = key.split()
            rows[Row(method, path)] = frozenset(names.replace("|", " ").split()) - {NOBODY}
    return rows, held["open"]


def declared(view: Any, method: str) -> str | None:
    """Return the permission that a view says it needs; None is: everybody who is in."""
    owner = getattr(view, "cls", None)
    if owner is not None and hasattr(owner, "permissions"):
        found: str | None = owner.permissions.get(method)
        return found
    return getattr(view, "permission", None)


def methods(view: Any) -> list[str]:
    """Return the methods that a view answers, from DRF's class or from `require_*`."""
    owner = getattr(view, "cls", None)
    if owner is not None:
        return [one for one in METHODS if hasattr(owner, one.lower())]
    while view is not None:
        names = getattr(getattr(view, "__code__", None), "co_freevars", ())
        if "request_method_list" in names:
            cell = view.__closure__[names.index("request_method_list")]
            return [one for one in METHODS if one in cell.cell_contents]
        view = getattr(view, "__wrapped__", None)
    return []


def shown(path: str) -> str:
    """Return a route's path as people write it: `/t/<slug>/runs/<run_id>/`."""
    return "/" + re.sub(r"<\w+:(\w+)>", r"<\1>", path)


def line(row: Row, names: frozenset[str], scopes: tuple[str, ...] = (), width: int = 0) -> str:
    """Write a row, each name in its own column."""
    columns = " ".join((one if one in names else NOBODY).ljust(len(one)) for one in ROLES)
    if scopes:
        keys = " ".join((one if one in names else NOBODY).ljust(len(one)) for one in scopes)
        columns = f"{columns} | {keys}"
    key = f'"{row.key}"'
    return f'{key.ljust(width)} = "{columns.rstrip()}"'


def table(rows: Mapping[Row, frozenset[str]], scopes: tuple[str, ...] = ()) -> list[str]:
    """Write the rows one below the other, in the order of their paths."""
    order = sorted(rows, key=lambda row: (row.path, METHODS.index(row.method)))
    width = max((len(row.key) + 2 for row in order), default=0)
    return [line(row, rows[row], scopes, width) for row in order]


def proposed() -> Iterator[tuple[Row, frozenset[str]]]:
    """Yield each row of the URLconf with what its view declares."""
    from tenants.access import ROLE_PERMISSIONS, SCOPE_PERMISSIONS
    from tests.routes import API, PAGES

    for route in [*API, *(one for one in PAGES if "/api/v1/" not in one.path)]:
        granted: Mapping[str, frozenset[str]] = ROLE_PERMISSIONS
        if route in API:
            granted = {**ROLE_PERMISSIONS, **SCOPE_PERMISSIONS}
        for method in methods(route.view):
            needed = declared(route.view, method)
            names = {name for name, held in granted.items() if needed is None or needed in held}
            yield Row(method, shown(route.path)), frozenset(names)


def write(rows: Mapping[Row, frozenset[str]], before: str) -> None:
    """Write the file anew: its head and its open addresses stay, the rows are sorted."""
    from tenants.access import SCOPE_PERMISSIONS

    head = before[: before.index("\n[pages]\n")].rstrip("\n")
    pages = {row: names for row, names in rows.items() if not row.path.startswith("/api/")}
    api = {row: names for row, names in rows.items() if row not in pages}
    lines = [head, "", "[pages]", *table(pages), "", "[api]", *table(api, tuple(SCOPE_PERMISSIONS))]
    FILE.write_text("\n".join([*lines, ""]), encoding="utf-8")


def main() -> None:
    """Compare the file with the URLconf."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "modelyard.settings.test")
    django.setup()
    held, _open = read()
    found = dict(proposed())
    for row in sorted(set(found) - set(held)):
        print("+", line(row, found[row]))
    for row in sorted(set(held) - set(found)):
        print("-", row.key)
    if "--write" in sys.argv:
        kept = {row: held.get(row, names) for row, names in found.items()}
        write(kept, FILE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
