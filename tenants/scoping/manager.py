"""The first wall: tenant tables whose only manager raises outside a scope."""

from __future__ import annotations

import uuid
from typing import ClassVar, Self, TypeVar

from django.db import models

from modelyard.core import ids
from tenants.scoping.context import current_tenant_id, is_ops

Row = TypeVar("Row", bound=models.Model)


class TenantManager(models.Manager[Row]):
    """Filters by the tenant in scope; raises `ScopeMissing` when there is none."""

    def get_queryset(self) -> models.QuerySet[Row]:
        """Return the rows of the tenant in scope (all rows inside `ops_scope`)."""
        rows = super().get_queryset()
        return rows if is_ops() else rows.filter(tenant_id=current_tenant_id())


def _scoped_tenant() -> uuid.UUID:
    return current_tenant_id()


class TenantOwned(models.Model):
    """A row that belongs to one tenant; its tenant is stamped from the scope, never passed in.

    Each concrete table also needs the `TenantTable` operation in its migration
    (row-level security, composite keys); a contract test walks the catalog for it.
    """

    id = models.UUIDField(primary_key=True, default=ids.new, editable=False)
    tenant_id = models.UUIDField(default=_scoped_tenant, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[TenantManager[Self]] = TenantManager()

    class Meta:
        abstract = True
        base_manager_name = "objects"
