"""Exports: the rows of a dataset, or of a frozen version, in one file of any format.

The rows are read once by keyset into a spool, written from there, counted, and stored; the file is
downloaded from the store itself.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from django.utils.translation import gettext as _

from modelyard.core import clock, queue, storage
from modelyard.core.errors import Conflict, Invalid
from tenants import access, audit
from tenants.access import Actor
from tenants.scoping.context import tenant_scope
from training.datasets import exported, selectors
from training.datasets.exported import formats_of
from training.datasets.formats import IMAGES, archives
from training.datasets.formats.records import FileRefused
from training.datasets.formats.spooling import Layout, Spool, Written
from training.datasets.formats.writing import write
from training.datasets.models import DatasetExport, DatasetVersion, Example, Upload, VersionRow
from training.datasets.reasons import file_sentence
from training.datasets.services import work
from training.datasets.services.images import images_write

CHUNK_ROWS = 2_000
KEEP_SECONDS = 5.0
_CHUNK = 1024**2


def export_start(
    *, actor: Actor, dataset_id: uuid.UUID, name: str, version_id: uuid.UUID | None = None
) -> DatasetExport:
    """Order a file of the rows; needs an open scope. A task writes it.

    Args:
        actor: Who.
        dataset_id: Of which dataset.
        name: The format, a key of `exported.formats_of`.
        version_id: Of which frozen version; None: the live rows.

    Raises:
        Invalid: `format_unknown`, `no_rows`, `version_of_another`, `images_many`.
        Conflict: `version_not_frozen`, `export_running`.
        NotFound: No such dataset or version.
    """
    access.require(actor, "data.write")
    dataset = selectors.dataset_get(dataset_id)
    formats = formats_of(dataset)
    if name not in formats:
        raise Invalid(
            _("Choose one of these formats: %(all)s.") % {"all": ", ".join(formats)},
            code="format_unknown",
        )
    version = _version(dataset_id, version_id)
    if version is None and not dataset.example_count:
        raise Invalid(_("The dataset has no rows to export. Import some."), code="no_rows")
    if name == IMAGES.name:
        _refuse_many(version.rows if version else dataset.example_count)
    rows = DatasetExport.objects.filter(
        dataset=dataset, format=name, version=version, status__in=["waiting", "running"]
    )
    if rows.exists():
        raise Conflict(_("This is being exported already. Wait for it."), code="export_running")
    title = re.sub(r"[^\w.-]+", "-", dataset.name).strip("-.") or "rows"
    part = f"-v{version.number}" if version else ""
    export: DatasetExport = DatasetExport.objects.create(
        dataset=dataset,
        version=version,
        format=name,
        actor=f"{actor.kind}:{actor.id}",
        filename=f"{title[:150]}{part}{formats[name].ending}",
        moved_at=clock.now(),
    )
    audit.record(actor, "datasetexport.ordered", export, format=name)
    queue.enqueue("datasets.export", tenant_id=str(export.tenant_id), rows_export_id=str(export.pk))
    return export


def _refuse_many(images: int) -> None:
    if images >= archives.MOST_IMAGES:
        facts = {"rows": images, "most": archives.MOST_IMAGES - 1}
        raise Invalid(file_sentence("images_many", facts), code="images_many")


def _version(dataset_id: uuid.UUID, version_id: uuid.UUID | None) -> DatasetVersion | None:
    if version_id is None:
        return None
    version = selectors.version_row(version_id)
    if version.dataset_id != dataset_id:
        raise Invalid(
            _("This version is of another dataset. Choose one of this dataset."),
            code="version_of_another",
        )
    selectors.version_get(version_id)
    return version


def export_cancel(
    *, actor: Actor, dataset_id: uuid.UUID, rows_export_id: uuid.UUID
) -> DatasetExport:
    """Stop an export; needs an open scope.

    Raises:
        Conflict: It ended already.
        NotFound: No such export.
    """
    return work.cancel(actor=actor, row=exported.export_get(dataset_id, rows_export_id))


def export_run(*, tenant_id: uuid.UUID, rows_export_id: uuid.UUID) -> None:
    """Write an export's file, unless somebody does; delivered twice, done once."""
    claimed = work.claim(DatasetExport, tenant_id=tenant_id, row_id=rows_export_id)
    if claimed is None:
        return
    try:
        with tempfile.TemporaryDirectory(prefix="modelyard-export-") as folder:
            _export(claimed, Path(folder))
    except FileRefused as refusal:
        claimed.fail(refusal.code, refusal.data)
    except work.WorkLost:
        return


def _export(claimed: work.Claim[DatasetExport], folder: Path) -> None:
    export = claimed.row
    path = folder / "file"
    if export.format == IMAGES.name:
        written = images_write(_chunks(claimed), path, step=_Keeper(claimed))
    else:
        written = _texts_write(claimed, folder, path)
    key = storage.tenant_key(export.tenant_id, "exports", "rows", str(export.pk), export.filename)
    storage.put_file(key, path)
    with tenant_scope(export.tenant_id):
        claimed.end(
            "done",
            rows=written,
            bytes=path.stat().st_size,
            sha256=_sha256(path),
            storage_key=key,
        )


def _texts_write(claimed: work.Claim[DatasetExport], folder: Path, path: Path) -> int:
    export = claimed.row
    spool = Spool(folder / "rows.jsonl", _layout(export), step=_Keeper(claimed))
    spool.fill(_rows(claimed))
    written = write(export.format, spool, path)
    if written != spool.count:
        raise FileRefused("export_count", found=written, expected=spool.count)
    return written


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


class _Keeper:
    """Renews the claim every few seconds while a file is written."""

    def __init__(self, claimed: work.Claim[DatasetExport]) -> None:
        self._claimed = claimed
        self._kept_at = time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() - self._kept_at > KEEP_SECONDS:
            self._kept_at = time.monotonic()
            with tenant_scope(self._claimed.row.tenant_id):
                self._claimed.keep()


def _layout(export: DatasetExport) -> Layout:
    """Return names and order of the columns as the newest import had them."""
    with tenant_scope(export.tenant_id):
        upload = (
            Upload.objects.filter(dataset=export.dataset_id, status="done").order_by("-id").first()
        )
    if upload is None or not upload.mapping.get("text"):
        return Layout()
    label = upload.mapping.get("label") or "label"
    return Layout(
        text=upload.mapping["text"],
        label=label,
        order=upload.preview.get("columns", []),
        classes=(upload.mapping.get("classes") or {}).get(label, []),
    )


def _rows(claimed: work.Claim[DatasetExport]) -> Iterator[Written]:
    """Yield the rows as a spool takes them."""
    for row, split in _chunks(claimed):
        fields = row.data.get("fields") or {}
        yield row.text, row.label, {**fields, "split": split} if split else fields


def _chunks(claimed: work.Claim[DatasetExport]) -> Iterator[tuple[Example, str | None]]:
    """Yield the rows by their ids, each chunk in a short scope, with their splits in a version."""
    export = claimed.row
    last, done = uuid.UUID(int=0), 0
    while True:
        with tenant_scope(export.tenant_id):
            claimed.keep(done=done, total=_total(export) if not done else max(done, export.total))
            splits: dict[uuid.UUID, str] = {}
            if export.version_id is None:
                rows = Example.live.filter(dataset=export.dataset_id, pk__gt=last)
            else:
                placed = VersionRow.objects.filter(version=export.version_id, example__gt=last)
                chosen = placed.order_by("example")[:CHUNK_ROWS]
                splits = dict(chosen.values_list("example_id", "split"))
                rows = Example.objects.filter(pk__in=list(splits))
            chunk = list(rows.order_by("pk")[:CHUNK_ROWS])
        for row in chunk:
            yield row, splits.get(row.pk)
        done += len(chunk)
        if not chunk:
            return
        last = chunk[-1].pk


def _total(export: DatasetExport) -> int:
    if export.version_id is not None:
        return int(DatasetVersion.objects.get(pk=export.version_id).rows)
    return selectors.dataset_get(export.dataset_id).example_count
