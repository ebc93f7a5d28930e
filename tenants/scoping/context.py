"""Which tenant the running code acts for.

`tenant_scope` is the only way to set it: a transaction whose `app.tenant_id` is local, so
that it is safe behind a transaction pooler and never outlives its block.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import structlog
from django.db import connection, transaction

logger = structlog.get_logger(__name__)
_tenant: ContextVar[uuid.UUID | None] = ContextVar("tenant", default=None)
_ops: ContextVar[bool] = ContextVar("ops", default=False)


class ScopeMissing(RuntimeError):
    """Code touched a tenant's table without saying for which tenant."""


def current_tenant_id() -> uuid.UUID:
    """Return the tenant in scope.

    Raises:
        ScopeMissing: None is set.
    """
    tenant = _tenant.get()
    if tenant is None:
        raise ScopeMissing("no tenant in scope: open tenant_scope(tenant_id) first")
    return tenant


def is_ops() -> bool:
    """Tell whether the code runs inside `ops_scope`."""
    return _ops.get()


def _stamp(value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select set_config('app.tenant_id', %s, true)", [value])


def _give_back(statement: str, value: str | None = None) -> None:
    """Undo what LOCAL set, where the savepoint is released; a rollback undoes it by itself."""
    if connection.in_atomic_block and not connection.needs_rollback:
        with connection.cursor() as cursor:
            cursor.execute(statement, None if value is None else [value])


@contextmanager
def tenant_scope(tenant_id: uuid.UUID) -> Iterator[None]:
    """Run the block as `tenant_id`, in one transaction; nests and restores."""
    previous, nested = _tenant.get(), _tenant.get() is not None or _ops.get()
    with transaction.atomic():
        _stamp(str(tenant_id))
        token, ops_token = _tenant.set(tenant_id), _ops.set(False)
        try:
            yield
        finally:
            _tenant.reset(token)
            _ops.reset(ops_token)
        if nested:
            _give_back("select set_config('app.tenant_id', %s, true)", str(previous or ""))


@contextmanager
def ops_scope(reason: str) -> Iterator[None]:
    """Run the block across tenants, as role `modelyard_ops`, in one transaction.

    Only the ops console and the scheduler log in with a role that may do this; from the
    web login PostgreSQL answers "permission denied".
    """
    logger.debug("ops_scope", reason=reason)
    outer = _ops.get()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("set local role modelyard_ops")
        token, tenant_token = _ops.set(True), _tenant.set(None)
        try:
            yield
        finally:
            _ops.reset(token)
            _tenant.reset(tenant_token)
        _give_back("set local role modelyard_ops" if outer else "reset role")
