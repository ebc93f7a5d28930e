"""Reads for the shell: counts beside the navigation, the checklist, what happened last."""

from __future__ import annotations

import uuid

from tenants.scoping.context import tenant_scope


def nav_counts(tenant_id: uuid.UUID) -> dict[str, int]:
    """Return how many datasets, runs at work, models and live deployments there are."""
    with tenant_scope(tenant_id):
        return {}
