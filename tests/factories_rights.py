"""A workspace that has something everywhere: rows, files, keys in Valkey, seals, people."""

from __future__ import annotations

import hashlib
import uuid

from django.db import connection

from billing import plans
from billing.models import LimitOverride
from modelyard.core import clock, storage, valkey
from tenants.controls.models import Flag, FlagTenant, StaffSession, Suspension
from tenants.models import Tenant
from tenants.rights import catalog
from tenants.scoping.context import ops_scope, tenant_scope
from tenants.trail.services import trail_seal
from tests.factories import add_member, make_key, make_tenant
from tests.factories_objects import make_everything

FILES = ("uploads/a.csv", "models/x/config.json", "models/x/model.safetensors")


def operators_rows(tenant: Tenant) -> None:
    """Make what operators do to a workspace: all of it over and done with."""
    now = clock.now()
    flag, _new = Flag.objects.get_or_create(name="of-the-tests")
    FlagTenant.objects.create(flag=flag, tenant=tenant)
    with tenant_scope(tenant.pk):
        Suspension.objects.create(reason="An unpaid bill.", by="Operator", ended_at=now)
        LimitOverride.objects.create(
            limit=plans.SEATS, value=50, reason="Agreed.", by="Operator", ended_at=now
        )
        StaffSession.objects.create(
            user_id=uuid.uuid4(), who="Support", reason="Asked.", expires_at=now,
            link_digest="0" * 64, ended_at=now, ended_by="time",
        )  # fmt: skip


def make_full(name: str) -> Tenant:
    """Make a workspace on a paid plan with something of every kind."""
    tenant = make_tenant(name=name)
    make_everything(tenant)
    operators_rows(tenant)
    make_key(tenant)
    add_member(tenant, "viewer")
    trail_seal()
    for file in FILES:
        storage.put_bytes(f"tenants/{tenant.pk}/{file}", file.encode() * 100)
    for client in valkey.databases():
        client.set(f"t:{tenant.pk}:dep:sentiment", "x", ex=600)
        client.set(f"t:{tenant.pk}:used:predictions:2026", "3", ex=600)
    return tenant


def counts(tenant_id: uuid.UUID) -> dict[str, int]:
    """Return table -> rows of the tenant, for every table of the catalog."""
    with ops_scope("test"):
        return {table.name: catalog.count(table, tenant_id) for table in catalog.tables()}


def checksum(tenant_id: uuid.UUID) -> str:
    """Return a hash over every row, object and Valkey key of a tenant."""
    found = []
    with ops_scope("test"), connection.cursor() as cursor:
        for table in catalog.tables():
            cursor.execute(
                f'select t::text from "{table.name}" t where "{table.owner}" = %s order by 1',
                [tenant_id],
            )
            found.append((table.name, cursor.fetchall()))
        cursor.execute("select t::text from tenants_tenant t where id = %s", [tenant_id])
        found.append(("tenants_tenant", cursor.fetchall()))
    objects = [(one.key, one.etag) for one in storage.list_keys(f"tenants/{tenant_id}/")]
    return hashlib.sha256(repr((found, objects, keys_of(tenant_id))).encode()).hexdigest()


def keys_of(tenant_id: uuid.UUID) -> list[str]:
    """Return the tenant's keys in every Valkey database."""
    return sorted(
        str(key)
        for client in valkey.databases()
        for key in client.scan_iter(match=f"t:{tenant_id}:*")
    )
