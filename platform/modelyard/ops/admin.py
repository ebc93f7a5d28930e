"""The console's pages, by area; importing this registers all of them on the site."""

from __future__ import annotations

from modelyard.ops import (
    admin_controls,
    admin_letters,
    admin_rows,
    admin_runs,
    admin_switches,
    admin_tenants,
)
from modelyard.ops.admin_site import site

__all__ = [
    "admin_controls",
    "admin_letters",
    "admin_rows",
    "admin_runs",
    "admin_switches",
    "admin_tenants",
    "site",
]
