"""The import itself: child's lines in, examples and a rejects file out.

Safe to repeat: an example is known by its content, so a second try after a crash adds what is
missing and nothing twice.
"""

from __future__ import annotations

import csv
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models import F

from billing import entitlements, plans
from modelyard.core import clock, ids, live, storage
from modelyard.core.errors import NotFound, QuotaExceeded
from tenants.scoping.context import tenant_scope
from training.datasets import reasons, selectors
from training.datasets.formats.guards import harmless
from training.datasets.formats.records import FileRefused
from training.datasets.models import Example, Upload
from training.datasets.services import child
from training.datasets.services.checks import checks_follow
from training.datasets.services.claims import Claim, ClaimLost, claim
from training.datasets.services.fetching import download
from training.datasets.services.images import images_forget, images_store
from training.datasets.services.inserting import NewRow, rows_insert
from training.datasets.services.search import search_start
from training.datasets.services.uploads import topic

SHOWN_REJECTS = 100
PUBLISH_SECONDS = 1.0
KEEP_SECONDS = 10.0
IMAGES_A_SECOND = 20
"""The slowest that small images may be decoded, whose bytes say little of the work."""
_Parsed = tuple[int, str, str | None, dict[str, Any] | None]


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
        images_forget(claimed)


def _import(claimed: Claim, tally: _Tally, folder: Path) -> None:
    upload = claimed.upload
    with tenant_scope(claimed.tenant_id):
        claimed.keep(started_at=clock.now(), bytes_done=0, rows_read=0, rows_rejected=0, rejects=[])
    path = folder / "file"
    sha256 = download(claimed, path)
    options = {
        "source": upload.mapping,
        "cpu_seconds": child.cpu_seconds(upload.bytes, upload.filename)
        + int(upload.preview.get("images", 0)) // IMAGES_A_SECOND,
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
    """Write one batch, its progress and its bill in one transaction; its images come before.

    The transaction isn't awaited on disk: should the server fall, batches are lost with the
    claim and are read again; the end of the import is awaited, and with it all before.
    """
    images = images_store(claimed, batch.get("images", []))
    faults = batch["faults"]
    rows = [*(_new_row(claimed.upload, parsed) for parsed in batch["rows"]), *images.rows]
    tally.taken += len(rows)
    tally.rejected += len(faults)
    more = faults[: SHOWN_REJECTS - len(tally.shown)]
    tally.shown += more
    seen: dict[str, Any] = {"rejects": tally.shown} if more else {}
    seen |= {"rows_read": tally.read, "rows_rejected": tally.rejected}
    if images.bytes:
        seen["image_bytes"] = F("image_bytes") + images.bytes
    with tenant_scope(claimed.tenant_id):
        _hurry()
        claimed.keep(bytes_done=batch["bytes"], **seen)
        added = rows_insert(claimed.upload, tally.ids.take(len(rows)), rows)
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


def _new_row(upload: Upload, parsed: _Parsed) -> NewRow:
    """Take the origin out of a record's fields, in a file that a pull wrote; elsewhere it is a
    field like any other.
    """
    line, text, label, fields = parsed
    origin = fields.pop("origin", None) if upload.collected and fields else None
    return NewRow(line, text, label, fields, origin=origin)


def _reject_row(
    line: int, column: str, code: str, value: str, detail: dict[str, Any]
) -> list[object]:
    return [line, harmless(column), reasons.row_sentence(code, detail), harmless(value)]


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
