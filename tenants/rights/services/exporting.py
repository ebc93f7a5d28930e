"""The job that writes an export: rows of every table, files, people, manifest.

Rows are read by key in batches, each in a short transaction of its own, so that an export of
hours holds none; what is added while it runs may be missing from it, nothing is in it twice.
"""

from __future__ import annotations

import datetime as dt
import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.db.models import F, Q

from modelyard.core import clock, storage
from modelyard.core.errors import DomainError
from modelyard.core.storage import ObjectFacts
from tenants import access, audit
from tenants.models import User
from tenants.rights import catalog
from tenants.rights.archive import Archive, Member, chunks_of
from tenants.rights.catalog import Table
from tenants.rights.models import Export
from tenants.rights.selectors import ROW_UNITS
from tenants.rights.services.exports import MAX_ATTEMPTS
from tenants.rights.states import EXPORT
from tenants.rights.withheld import withheld
from tenants.scoping.context import tenant_scope

BATCH = 1000
REPORT_EVERY = 1.0
FORMAT = "modelyard-export/1"

logger = structlog.get_logger(__name__)
on_step: list[Callable[[str], None]] = []
"""Called with each table or file when it begins: a place for tests to stand between two."""


class _Taken(Exception):
    """Cancelled, or another worker holds it."""


@dataclass
class _Job:
    """One attempt at one export."""

    tenant_id: uuid.UUID
    export_id: uuid.UUID
    attempt: int
    began: dt.datetime
    rows: dict[str, int] = field(default_factory=dict)
    units: int = 0
    files: int = 0
    _told: float = 0.0

    def tell(self, *, force: bool = False, **columns: object) -> None:
        """Write how far it is, at most once a second; this is the heartbeat as well.

        Raises:
            _Taken: The export is no longer this attempt's.
        """
        now = time.monotonic()
        if not force and now - self._told < REPORT_EVERY:
            return
        self._told = now
        with tenant_scope(self.tenant_id):
            held = self.held().update(units=self.units, lease_until=_lease_end(), **columns)
        if not held:
            raise _Taken

    def held(self) -> Any:
        """Return the row, if it is still this attempt's."""
        return Export.objects.filter(pk=self.export_id, attempt=self.attempt, status="running")

    def did(self, units: int) -> None:
        """Count work."""
        self.units += units
        self.tell()


def _lease_end() -> dt.datetime:
    return clock.now() + dt.timedelta(seconds=settings.RIGHTS_LEASE_SECONDS)


def export_run(*, tenant_id: uuid.UUID, export_id: uuid.UUID) -> None:
    """Write the archive of a queued export; harmless when there is nothing to do."""
    job = _claim(tenant_id, export_id)
    if job is None:
        return
    key = storage.tenant_key(tenant_id, "exports", f"{export_id}-{job.attempt}.zip")
    try:
        with Archive(key) as archive:
            job.tell(force=True, multipart_id=archive.upload_id, storage_key=key)
            manifest = _write(job, archive)
            job.tell(force=True, phase="finishing", item="manifest.json")
        _finish(job, archive, manifest)
    except _Taken:
        storage.delete(key)
    except DomainError as error:
        logger.exception("export_failed", code=error.code)
        _fail(job, error)


def _claim(tenant_id: uuid.UUID, export_id: uuid.UUID) -> _Job | None:
    now = clock.now()
    with tenant_scope(tenant_id):
        free = Q(status="queued") | Q(status="running", lease_until__lt=now)
        row = Export.objects.select_for_update().filter(free, pk=export_id).first()
        if row is None:
            return None
        leftover = (row.storage_key, row.multipart_id)
        if row.attempt >= MAX_ATTEMPTS:
            row.status, row.error_code, row.finished_at = "failed", "worker_lost", now
            row.error_message = "Its worker was lost three times. Make a new export."
        else:
            row.status, row.attempt, row.started_at = "running", row.attempt + 1, now
            row.lease_until, row.units, row.step = _lease_end(), 0, 0
        row.storage_key = row.multipart_id = ""
        row.save()
    if leftover[1]:
        storage.multipart_abort(*leftover)
        storage.delete(leftover[0])
    if row.status == "failed":
        return None
    return _Job(tenant_id, export_id, row.attempt, now)


def _write(job: _Job, archive: Archive) -> Member:
    with tenant_scope(job.tenant_id):
        with connection.cursor() as cursor:
            cursor.execute("set local statement_timeout = '10min'")  # To count millions of rows.
        tables = catalog.tables()
        expected = {table.name: catalog.count(table, job.tenant_id) for table in tables}
    files = _files(job.tenant_id)
    total = sum(expected.values()) * ROW_UNITS + sum(one.bytes for one in files)
    job.tell(force=True, phase="tables", units_all=max(total, 1), steps=len(tables))
    for number, table in enumerate(sorted(tables, key=lambda one: one.name)):
        _begin(job, table.name, step=number)
        archive.add(f"tables/{table.name}.jsonl", _lines(job, table))
    archive.add("tenant.json", [_json(_tenant_row(job.tenant_id))])
    archive.add("people.jsonl", (_json(one) + b"\n" for one in _people(job.tenant_id)))
    job.tell(force=True, phase="objects", steps=len(files), step=0)
    for number, one in enumerate(files):
        _add_file(job, archive, one, number)
    return archive.add("manifest.json", [_json(_manifest(job, tables, archive.members))])


def _begin(job: _Job, item: str, *, step: int) -> None:
    for look in on_step:
        look(item)
    job.tell(item=item[:255], step=step)


def _add_file(job: _Job, archive: Archive, one: ObjectFacts, number: int) -> None:
    name = one.key.removeprefix(f"{storage.tenant_key(job.tenant_id)}/")
    _begin(job, name, step=number)
    if storage.facts(one.key) is None:
        return  # Deleted since it was listed: it is no longer the tenant's.
    with storage.open_stream(one.key) as stream:
        archive.add(f"objects/{name}", chunks_of(stream), packed=False, report=job.did)
    job.files += 1


def _files(tenant_id: uuid.UUID) -> list[ObjectFacts]:
    """Return the tenant's objects, but not earlier exports."""
    prefix = f"{storage.tenant_key(tenant_id)}/"
    return [one for one in storage.list_keys(prefix) if not one.key.startswith(f"{prefix}exports/")]


def _lines(job: _Job, table: Table) -> Iterator[bytes]:
    """Yield a table's rows of the tenant as JSON lines, a batch at a time."""
    last: object = None
    hidden = withheld(table.name, table.columns)
    job.rows[table.name] = 0
    while True:
        with tenant_scope(job.tenant_id):
            batch = _batch(table, job.tenant_id, last, hidden)
        if not batch:
            return
        last = batch[-1][0]
        job.rows[table.name] += len(batch)
        yield "".join(f"{line}\n" for _key, line in batch).encode()
        job.did(len(batch) * ROW_UNITS)


def _batch(
    table: Table, tenant_id: uuid.UUID, last: object, hidden: list[str]
) -> list[tuple[object, str]]:
    """Return (key, JSON) of the rows after `last`, in order of their key."""
    after = f'and t."{table.key}" > %s' if last is not None else ""
    # Names come from the catalog itself, never from a request.
    statement = (
        f'select t."{table.key}", (to_jsonb(t) - %s::text[])::text from "{table.name}" t'  # noqa: S608
        f' where t."{table.owner}" = %s {after} order by t."{table.key}" limit {BATCH}'
    )
    values: list[Any] = [hidden, tenant_id, *([last] if last is not None else [])]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _tenant_row(tenant_id: uuid.UUID) -> object:
    with connection.cursor() as cursor:
        cursor.execute("select to_jsonb(t)::text from tenants_tenant t where id = %s", [tenant_id])
        return json.loads(cursor.fetchone()[0])


def _people(tenant_id: uuid.UUID) -> Iterator[dict[str, object]]:
    people = User.objects.filter(memberships__tenant_id=tenant_id).order_by("id")
    for user in people:
        yield {"id": user.pk, "name": user.name, "email": user.email}


def _json(value: object) -> bytes:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False).encode()


def _manifest(job: _Job, tables: list[Table], members: list[Member]) -> dict[str, object]:
    return {
        "format": FORMAT,
        "workspace": str(job.tenant_id),
        "began": job.began,
        "tables": dict(sorted(job.rows.items())),
        "withheld": {
            table.name: hidden
            for table in sorted(tables, key=lambda one: one.name)
            if (hidden := withheld(table.name, table.columns))
        },
        "files": job.files,
        "members": [
            {"name": one.name, "bytes": one.bytes, "sha256": one.sha256} for one in members
        ],
    }


def _finish(job: _Job, archive: Archive, manifest: Member) -> None:
    now = clock.now()
    with tenant_scope(job.tenant_id):
        ready = EXPORT.advance(
            job.held(),
            Export.Status.READY,
            finished_at=now,
            expires_at=now + dt.timedelta(days=settings.EXPORT_KEPT_DAYS),
            lease_until=None,
            multipart_id="",
            rows=job.rows,
            files=job.files,
            bytes=archive.size,
            sha256=manifest.sha256,
            units=F("units_all"),
            step=F("steps"),
        )
        if not ready:
            raise _Taken
        row = Export.objects.get(pk=job.export_id)
        facts = {"bytes": archive.size, "tables": len(job.rows), "files": job.files}
        audit.record(access.system(job.tenant_id), "export.ready", row, **facts)


def _fail(job: _Job, error: DomainError) -> None:
    with tenant_scope(job.tenant_id):
        failed = EXPORT.advance(
            job.held(),
            Export.Status.FAILED,
            finished_at=clock.now(),
            lease_until=None,
            multipart_id="",
            error_code=error.code[:48],
            error_message=error.message[:500],
        )
        if failed:
            row = Export.objects.get(pk=job.export_id)
            audit.record(access.system(job.tenant_id), "export.failed", row, code=error.code)
