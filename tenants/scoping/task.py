"""The task base that opens no transaction: it only binds the tenant's name for the log.

Each database step of a task opens its own short `tenant_scope`, so that a two-hour run
holds no transaction. Cross-tenant work is marked by `SystemTask` and runs in `ops_scope`.
"""

from __future__ import annotations

from typing import Any

import structlog
from celery import Task
from django.db import close_old_connections


class TenantTask(Task):  # type: ignore[type-arg]
    """A task about one tenant: `tenant_id` must be among its keyword arguments."""

    abstract = True
    needs_tenant = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Bind the names, refuse a missing tenant, give connections back."""
        if self.needs_tenant and not kwargs.get("tenant_id"):
            raise TypeError(f"{self.name} was called without tenant_id")
        close_old_connections()
        try:
            with structlog.contextvars.bound_contextvars(task=self.name, **kwargs):
                return super().__call__(*args, **kwargs)
        finally:
            close_old_connections()


class SystemTask(TenantTask):
    """A task of the scheduler over all tenants: opens `ops_scope` itself."""

    abstract = True
    needs_tenant = False
