"""The import itself: child's lines in, examples and a rejects file out.

Safe to repeat: an example is known by its content, so a second try after a crash adds what is
missing and nothing twice.
"""

from __future__ import annotations

import csv
import json
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import connection

from billing import entitlements, plans
from modelyard.core import clock, ids, live, storage
from modelyard.core.errors import NotFound, QuotaExceeded
from tenants.scoping.context import tenant_scope
from training.datasets import reasons, selectors
from training.datasets.formats.records import FileRefused
from training.datasets.hashes import content_hash, group_hash, marks_of
from training.datasets.models import Example, Upload
from training.datasets.services import child
from training.datasets.services.checks import checks_follow
from training.datasets.services.claims import Claim, ClaimLost, claim
from training.datasets.services.fetching import download
from training.datasets.services.search import search_start
from training.datasets.services.uploads import topic

SHOWN_REJECTS = 100
PUBLISH_SECONDS = 1.0
KEEP_SECONDS = 10.0
_CHUNK = 1024**2
_Parsed = tuple[int, str, str | None, dict[str, Any] | None]
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_INSERT = """
insert into datasets_example
  (id, tenant_id, created_at, dataset_id, upload_id, line, data, label, content_hash, group_hash,
   origin)
select row.id, %s, now(), %s, %s, row.line,
  jsonb_build_object('text', row.text) ||
    case when row.fields is null then '{}'::jsonb
      else jsonb_build_object('fields', row.fields::jsonb) end,
  row.label, row.content_hash, row.group_hash, row.origin::jsonb
from unnest(%s::uuid[], %s::int[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
    %s::text[])
  as row (id, line, text, label, fields, content_hash, group_hash, origin)
on conflict (tenant_id, dataset_id, content_hash) do nothing
"""


@dataclass
class _Tally:
    """What this try has seen so far."""

    standing: int
    taken: int = 0
    rejected: int = 0
    shown: list[list[Any]] = field(default_factory=list)
    rung_at: float = 0.0
    ids: ids.Sequence = field(default_factory=ids.Sequence)

    @property
    def read(self) -> int:
        return self.taken + self.rejected


def import_run(*, tenant_id: uuid.UUID, upload_id: uuid.UUID) -> None:
    """Import a mapped file, unless somebody does; delivered twice, done once."""
    claimed = claim(tenant_id, upload_id, Upload.Status.IMPORTING)
    if claimed is None:
        return
    tally = _Tally(standing=selectors.example_count(tenant_id))
    try:
        with tempfile.TemporaryDirectory(prefix="modelyard-upload-") as folder:
            _import(claimed, tally, Path(folder))
    except FileRefused as refusal:
        claimed.reject(refusal.code, refusal.data)
    except QuotaExceeded as refusal:
        claimed.reject("quota_exceeded", {"sentence": refusal.message})
    except NotFound:
        claimed.reject("object_missing", {})
    except ClaimLost:
        return


def _import(claimed: Claim, tally: _Tally, folder: Path) -> None:
    upload = claimed.upload
    with tenant_scope(claimed.tenant_id):
        claimed.keep(started_at=clock.now(), bytes_done=0, rows_read=0, rows_rejected=0, rejects=[])
    path = folder / "file"
    sha256 = download(claimed, path)
    options = {
        "source": upload.mapping,
        "cpu_seconds": child.cpu_seconds(upload.bytes, upload.filename),
    }
    rejects = folder / "rejects.csv"
    with rejects.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["line", "column", "reason", "value"])
        for batch in child.answers("rows", path, options):
            writer.writerows(_reject_row(*fault) for fault in batch["faults"])
            _store(claimed, tally, batch)
    key = ""
    if tally.rejected:
        key = storage.tenant_key(upload.tenant_id, "uploads", str(upload.pk), "rejects.csv")
        storage.put_file(key, rejects)
    _finish(claimed, tally, {"sha256": sha256, "rejects_key": key, "rejects": tally.shown})


def _store(claimed: Claim, tally: _Tally, batch: dict[str, Any]) -> None:
    """Write one batch, its progress and its bill in one transaction.

    The transaction isn't awaited on disk: should the server fall, batches are lost with the
    claim and are read again; the end of the import is awaited, and with it all before.
    """
    rows, faults = batch["rows"], batch["faults"]
    tally.taken += len(rows)
    tally.rejected += len(faults)
    more = faults[: SHOWN_REJECTS - len(tally.shown)]
    tally.shown += more
    seen: dict[str, Any] = {"rejects": tally.shown} if more else {}
    seen |= {"rows_read": tally.read, "rows_rejected": tally.rejected}
    with tenant_scope(claimed.tenant_id):
        _hurry()
        claimed.keep(bytes_done=batch["bytes"], **seen)
        added = _insert(claimed.upload, tally.ids.take(len(rows)), rows)
        if added:
            entitlements.require(claimed.tenant_id, plans.EXAMPLES, added, stands=tally.standing)
        tally.standing += added
        if time.monotonic() - tally.rung_at > PUBLISH_SECONDS:
            tally.rung_at = time.monotonic()
            live.publish(topic(claimed.upload.pk))


def _hurry() -> None:
    """Let this transaction commit before it is on disk (PostgreSQL manual, section 28.4)."""
    with connection.cursor() as cursor:
        cursor.execute("set local synchronous_commit = off")


def _insert(upload: Upload, keys: Sequence[str], rows: Sequence[_Parsed]) -> int:
    """Insert (line, text, label, fields) rows with these ids; return how many were new.

    `fields` is what else the record holds, or None.
    """
    if not rows:
        return 0
    lines, texts, labels, fields = zip(*rows, strict=True)
    origins = [_origin_of(upload, more) for more in fields]
    contents = [content_hash(text, label, marks_of(more)) for _line, text, label, more in rows]
    groups = [group_hash(text) for text in texts]
    written = [json.dumps(more) if more else None for more in fields]
    columns = [list(keys), list(lines), list(texts), list(labels), written, contents, groups]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [upload.tenant_id, upload.dataset_id, upload.pk, *columns, origins])
        return int(cursor.rowcount)


def _origin_of(upload: Upload, fields: dict[str, Any] | None) -> str | None:
    """Take the origin out of a record's fields, in a file that a pull wrote; elsewhere it's a field
    like any other.
    """
    if not upload.collected or not fields or "origin" not in fields:
        return None
    return json.dumps(fields.pop("origin"))


def _reject_row(
    line: int, column: str, code: str, value: str, detail: dict[str, Any]
) -> list[object]:
    return [line, harmless(column), reasons.row_sentence(code, detail), harmless(value)]


def harmless(value: str) -> str:
    """Return a cell that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return f"'{value}" if value.startswith(_FORMULA) else value


def _finish(claimed: Claim, tally: _Tally, fields: dict[str, Any]) -> None:
    fields |= {"rows_read": tally.read, "rows_rejected": tally.rejected}
    if not tally.taken:
        code = "nothing_imported" if tally.rejected else "no_rows"
        claimed.reject(code, {"rows": tally.read}, **fields)
        return
    with tenant_scope(claimed.tenant_id):
        claimed.keep()
        added = Example.objects.filter(upload=claimed.upload).count()
        claimed.end(
            Upload.Status.DONE,
            bytes_done=claimed.upload.bytes,
            rows_added=added,
            rows_repeated=tally.taken - added,
            finished_at=clock.now(),
            **fields,
        )
        search_start(dataset_id=claimed.upload.dataset_id)
        checks_follow(claimed.upload.dataset_id)
