"""The job that deletes a workspace: phase by phase, each safe to begin again after a crash.

It runs on the scheduler's login, in slices of seconds, so that other work of that queue waits
for seconds only. Rows leave through `rights_purge`, a function that deletes nothing unless this
very deletion is running and due; counts are written in the transaction that removes the rows.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Callable
from functools import partial

import redis
import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from modelyard.core import clock, queue, storage, valkey
from tenants import access, audit
from tenants.models import Tenant
from tenants.rights import catalog, certificates, hooks, selectors
from tenants.rights.models import Deletion
from tenants.rights.services.facts import facts_of
from tenants.rights.states import DELETION, PHASES
from tenants.scoping.context import ops_scope, tenant_scope

SLICE_SECONDS = 8.0
ROWS_AT_ONCE = 5000
VERSIONS_AT_ONCE = 1000

logger = structlog.get_logger(__name__)
Step = Callable[[Deletion], bool]
on_step: list[Callable[[str], None]] = []
"""Called with the phase before each of its steps: a place for tests to stand between two."""


def purge_run(*, deletion_id: uuid.UUID) -> None:
    """Work on a due deletion for one slice; rings for the next one until it is done."""
    row = _claim(deletion_id)
    if row is None:
        return
    end = time.monotonic() + SLICE_SECONDS
    while row.status == Deletion.Status.RUNNING:
        for look in on_step:
            look(row.phase)
        if _STEPS[row.phase](row):
            _next_phase(row)
        elif time.monotonic() > end:
            _hand_on(row)
            return
        else:
            _write(row)


def _claim(deletion_id: uuid.UUID) -> Deletion | None:
    """Take the deletion; None when it is not due, done, cancelled, or another worker's."""
    now = clock.now()
    with ops_scope("rights.purge"):
        free = Q(status="scheduled") | Q(status="running", lease_until__lt=now)
        rows = Deletion.objects.select_for_update().filter(free, kind="tenant", due_at__lte=now)
        row = rows.filter(pk=deletion_id).first()
        if row is None:
            return None
        if row.status == Deletion.Status.SCHEDULED:
            row.status, row.started_at, row.phase = "running", now, PHASES[0]
            # Who owns it now, not who did when it was asked for.
            owners = [owner.email for owner in selectors.owners_of(row.subject_id)]
            row.recipients = owners or row.recipients
        row.lease_until = _lease_end()
        row.save()
    return row


def _lease_end() -> dt.datetime:
    return clock.now() + dt.timedelta(seconds=settings.RIGHTS_LEASE_SECONDS)


def _write(row: Deletion) -> None:
    """Keep the lease and what was found."""
    with ops_scope("rights.purge"):
        row.lease_until = _lease_end()
        row.save(update_fields=["lease_until", "evidence", "phase"])


def _next_phase(row: Deletion) -> None:
    if row.status == Deletion.Status.RUNNING:
        row.phase = PHASES[PHASES.index(row.phase) + 1]
        logger.info("deletion_phase", deletion=str(row.pk), phase=row.phase)
        _write(row)


def _hand_on(row: Deletion) -> None:
    """Let go and ring for the next slice."""
    with ops_scope("rights.purge"):
        row.lease_until = clock.now()
        row.save(update_fields=["lease_until", "evidence"])
        queue.enqueue("rights.purge", deletion_id=str(row.pk))


def _stop(row: Deletion) -> bool:
    """Shut the door, then stop what is at work and give it some time to end."""
    tenant_id = row.subject_id
    with tenant_scope(tenant_id):
        rows = Tenant.objects.filter(pk=tenant_id).exclude(status=Tenant.Status.SUSPENDED)
        tenant = rows.first()
        if tenant is not None and rows.update(status=Tenant.Status.SUSPENDED):
            audit.record(access.system(tenant_id), "workspace.deletion_started", tenant)
    busy = sum(stop(tenant_id) for stop in hooks.on_tenant_stopping)
    if not busy:
        return True
    began = row.started_at or clock.now()
    waited = (clock.now() - began).total_seconds()
    if waited >= settings.DELETION_STOP_SECONDS:
        # What still works finds no tenant to write for, and what it stores is swept below.
        logger.warning("deletion_goes_on", deletion=str(row.pk), busy=busy)
        return True
    time.sleep(0.5)
    return False


def _prefix(row: Deletion) -> str:
    return f"{storage.tenant_key(row.subject_id)}/"


def _survey(row: Deletion) -> bool:
    """Count what will go, before any of it goes, so that a crash falsifies nothing."""
    keys, versions, size = set(), 0, 0
    for one in storage.list_versions(_prefix(row)):
        keys.add(one.key)
        versions += 1
        size += one.bytes
    row.evidence |= {"objects": len(keys), "versions": versions, "bytes": size}
    row.evidence["uploads"] = len(storage.list_multiparts(_prefix(row)))
    return True


def _objects(row: Deletion) -> bool:
    """Remove a batch of versions and unfinished uploads; True when none is left."""
    for key, upload_id in storage.list_multiparts(_prefix(row)):
        storage.multipart_abort(key, upload_id)
    batch = []
    for one in storage.list_versions(_prefix(row)):
        batch.append(one)
        if len(batch) == VERSIONS_AT_ONCE:
            break
    if batch:
        storage.delete_versions(batch)
    return not batch


def _rows(row: Deletion) -> bool:
    """Remove a batch of rows of the first table that has any; True when none has."""
    counts = row.evidence.setdefault("rows", {})
    for table in catalog.tables():
        with ops_scope("rights.purge"):
            removed = _purge(row, table.name)
            if removed:
                counts[table.name] = counts.get(table.name, 0) + removed
                row.lease_until = _lease_end()
                row.save(update_fields=["evidence", "lease_until"])
        if removed:
            return False
    return True


def _purge(row: Deletion, table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("select rights_purge(%s, %s, %s)", [row.pk, table, ROWS_AT_ONCE])
        return int(cursor.fetchone()[0])


def _tenant(row: Deletion) -> bool:
    """Remove the tenant itself: from here on nothing can be written for it."""
    with ops_scope("rights.purge"), connection.cursor() as cursor:
        cursor.execute("select rights_purge_tenant(%s)", [row.pk])
        clean = bool(cursor.fetchone()[0])
        if clean:
            row.evidence["rows"]["tenants_tenant"] = 1
            row.save(update_fields=["evidence"])
    if not clean:
        # Somebody wrote meanwhile.
        while not _rows(row):
            pass
    return clean


def _caches(row: Deletion) -> bool:
    """Remove the tenant's keys in every Valkey database, and objects stored meanwhile."""
    removed = sum(_forget(client, row.subject_id) for client in valkey.databases())
    row.evidence["cache_keys"] = row.evidence.get("cache_keys", 0) + removed
    return _objects(row) and not removed


def _forget(client: redis.Redis, tenant_id: uuid.UUID) -> int:
    removed = 0
    batch: list[str] = []
    for key in client.scan_iter(match=f"t:{tenant_id}:*", count=1000):
        batch.append(key)
        if len(batch) == 500:
            removed += int(client.unlink(*batch))
            batch = []
    return removed + (int(client.unlink(*batch)) if batch else 0)


def leftovers_remove(row: Deletion) -> None:
    """Remove what a worker that was at work to the end has stored since."""
    while not _objects(row):
        logger.warning("deletion_leftovers", deletion=str(row.pk))
    for client in valkey.databases():
        _forget(client, row.subject_id)


def _certify(row: Deletion) -> bool:
    """Sign what was done; the mail with it takes the last addresses along."""
    row.finished_at = clock.now()
    signed = certificates.sign(facts_of(row))
    with ops_scope("rights.purge"):
        rows = Deletion.objects.filter(pk=row.pk)
        DELETION.advance(
            rows,
            Deletion.Status.DONE,
            certificate=signed,
            finished_at=row.finished_at,
            lease_until=None,
            evidence=row.evidence,
        )
        transaction.on_commit(partial(logger.info, "deletion_done", deletion=str(row.pk)))
        queue.enqueue("rights.mail_certificate", deletion_id=str(row.pk))
    row.status = Deletion.Status.DONE
    return True


_STEPS: dict[str, Step] = {
    "stop": _stop,
    "survey": _survey,
    "objects": _objects,
    "rows": _rows,
    "tenant": _tenant,
    "caches": _caches,
    "certify": _certify,
}
