"""Comparisons: what differs between two versions, read from their files, not from today's rows."""

from __future__ import annotations

import csv
import json
import uuid
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from modelyard.core import clock, queue, storage
from modelyard.core.errors import Invalid
from tenants import access, audit
from tenants.access import Actor
from tenants.scoping.context import tenant_scope
from training.datasets import selectors, sheets
from training.datasets.models import Comparison, ComparisonRow, DatasetVersion, Example
from training.datasets.services import work
from training.datasets.services.sweeping import work_add
from training.datasets.sheets import Line, Sheet

SHOWN_ROWS = 5_000
"""Of each kind, so many can be paged through; the files have all."""
KINDS = ("added", "removed", "relabelled", "reworded")
_CHUNK_ROWS = 2_000
_BOTH = "a join b using (id)"
_EACH = (
    "select {key}, a.text, a.label, a.split, b.text, b.label, b.split from {rows} "
    "where {where} order by 1"
)
_QUESTIONS = {
    "added": ("b.id", "b left join a using (id)", "a.id is null"),
    "removed": ("a.id", "a left join b using (id)", "b.id is null"),
    "relabelled": ("a.id", _BOTH, "a.content <> b.content and a.text = b.text"),
    "reworded": ("a.id", _BOTH, "a.text <> b.text"),
}


def comparison_start(
    *, actor: Actor, before_id: uuid.UUID, after_id: uuid.UUID | None = None
) -> Comparison:
    """Order a comparison of a version with another, or with the labelled rows of today (None).

    Needs an open scope. Two frozen versions never change, so theirs is made once and found again.

    Raises:
        Invalid: `versions_differ` (of two datasets), `versions_same`.
        Conflict: `version_not_frozen`.
        NotFound: No such version.
    """
    access.require(actor, "data.read")
    before = selectors.version_get(before_id)
    after = selectors.version_get(after_id) if after_id else None
    if after is not None and after.dataset_id != before.dataset_id:
        raise Invalid(_("Compare versions of one dataset."), code="versions_differ")
    if after is not None and after.id == before.id:
        raise Invalid(_("Choose two different versions to compare."), code="versions_same")
    if after is not None:
        known = Comparison.objects.filter(before=before_id, after=after_id)
        found: Comparison | None = known.exclude(status__in=["failed", "cancelled"]).first()
        if found is not None:
            return found
    comparison: Comparison = Comparison.objects.create(
        dataset_id=before.dataset_id, before_id=before_id, after_id=after_id, moved_at=clock.now()
    )
    audit.record(actor, "comparison.ordered", comparison)
    queue.enqueue(
        "datasets.compare", tenant_id=str(actor.tenant_id), comparison_id=str(comparison.pk)
    )
    return comparison


def compare_run(*, tenant_id: uuid.UUID, comparison_id: uuid.UUID) -> None:
    """Compare, unless somebody does; delivered twice, done once."""
    claimed = work.claim(Comparison, tenant_id=tenant_id, row_id=comparison_id)
    if claimed is None:
        return
    try:
        with Sheet() as sheet:
            _fill(claimed, sheet)
            _keep(claimed, sheet)
    except work.WorkLost:
        return


def _fill(claimed: work.Claim[Comparison], sheet: Sheet) -> None:
    row = claimed.row
    with tenant_scope(row.tenant_id):
        comparison = selectors.comparison_get(row.pk)
        total = comparison.before.rows + (comparison.after.rows if comparison.after else 0)
        claimed.keep(total=total)
        ComparisonRow.objects.filter(comparison=comparison).delete()
    done = _add(claimed, sheet, "a", _version_lines(sheet, comparison.before), 0)
    later = _version_lines(sheet, comparison.after) if comparison.after else _today(row)
    _add(claimed, sheet, "b", later, done)


def _add(
    claimed: work.Claim[Comparison],
    sheet: Sheet,
    name: str,
    chunks: Iterator[list[Line]],
    done: int,
) -> int:
    sheet.table(name)
    for lines in chunks:
        sheet.add(name, lines)
        done += len(lines)
        with tenant_scope(claimed.row.tenant_id):
            claimed.keep(done=done)
    return done


def _version_lines(sheet: Sheet, version: DatasetVersion) -> Iterator[list[Line]]:
    path = sheet.folder / f"{version.pk}.parquet"
    storage.download(version.rows_key, path)
    yield from sheets.lines_of(path)


def _today(row: Comparison) -> Iterator[list[Line]]:
    last = uuid.UUID(int=0)
    while True:
        with tenant_scope(row.tenant_id):
            rows = Example.live.filter(dataset=row.dataset_id, label__isnull=False, pk__gt=last)
            chunk = list(rows.order_by("pk")[:_CHUNK_ROWS])
        yield [
            (
                str(one.pk),
                one.content_hash,
                one.text,
                one.label or "",
                None,
                sheets.json_text(one.data.get("fields")),
                sheets.json_text(one.image),
            )
            for one in chunk
        ]
        if len(chunk) < _CHUNK_ROWS:
            return
        last = chunk[-1].pk


def _keep(claimed: work.Claim[Comparison], sheet: Sheet) -> None:
    """Write files and rows, then the counts."""
    row = claimed.row
    files = sheet.folder / "rows.csv", sheet.folder / "rows.jsonl"
    counts = _write(claimed, sheet, *files)
    counts["moved"] = sheet.number(f"select count(*) from {_BOTH} where a.split <> b.split")  # noqa: S608
    prefix = storage.tenant_key(row.tenant_id, "datasets", str(row.pk))
    for path in files:
        storage.put_file(f"{prefix}/{path.name}", path)
    with tenant_scope(row.tenant_id):
        claimed.end("done", counts=counts, files_key=prefix)


def _write(
    claimed: work.Claim[Comparison], sheet: Sheet, table: Path, lines: Path
) -> dict[str, int]:
    counts = dict.fromkeys(KINDS, 0)
    names = [
        f"{side}_{name}" for side in ("before", "after") for name in ("text", "label", "split")
    ]
    with table.open("w", encoding="utf-8-sig", newline="") as cells, lines.open("w") as objects:
        writer = csv.writer(cells)
        writer.writerow(["kind", "id", *names])
        for kind in KINDS:
            key, rows, where = _QUESTIONS[kind]
            asked = sheet.ask(_EACH.format(key=key, rows=rows, where=where))
            for chunk in _chunks(asked):
                for one in chunk:
                    writer.writerow([kind, *one])
                    objects.write(json.dumps(_body(kind, one), ensure_ascii=False) + "\n")
                _show(claimed, kind, counts[kind], chunk)
                counts[kind] += len(chunk)
    return counts


def _chunks(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[tuple[Any, ...], ...]]:
    while chunk := tuple(islice(rows, _CHUNK_ROWS)):
        yield chunk


def _body(kind: str, one: tuple[Any, ...]) -> dict[str, Any]:
    key, *values = one
    before, after = values[:3], values[3:]
    names = ("text", "label", "split")
    return {
        "kind": kind,
        "example_id": key,
        "before": None if kind == "added" else dict(zip(names, before, strict=True)),
        "after": None if kind == "removed" else dict(zip(names, after, strict=True)),
    }


def _show(
    claimed: work.Claim[Comparison], kind: str, first: int, chunk: tuple[tuple[Any, ...], ...]
) -> None:
    shown = chunk[: max(0, SHOWN_ROWS - first)]
    with tenant_scope(claimed.row.tenant_id):
        claimed.keep()
        ComparisonRow.objects.bulk_create(
            ComparisonRow(comparison=claimed.row, seq=first + at, **_body(kind, one))
            for at, one in enumerate(shown)
        )


work_add(Comparison, "datasets.compare", "comparison_id")
