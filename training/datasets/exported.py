"""Reads of exports of a dataset's rows, within the tenant in scope."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from modelyard.core.errors import Conflict, NotFound
from training.datasets.formats import FORMATS, IMAGES, Format
from training.datasets.models import Dataset, DatasetExport


def formats_of(dataset: Dataset) -> Mapping[str, Format]:
    """Return the formats that a dataset can be exported to, by name."""
    return {IMAGES.name: IMAGES} if dataset.holds_images else FORMATS


def export_list(dataset_id: uuid.UUID) -> QuerySet[DatasetExport]:
    """Return a dataset's exports with their versions, newest first."""
    rows = DatasetExport.objects.select_related("version").filter(dataset=dataset_id)
    return rows.order_by("-id")


def export_get(dataset_id: uuid.UUID, rows_export_id: uuid.UUID) -> DatasetExport:
    """Return one export of a dataset.

    Raises:
        NotFound: There is none here.
    """
    rows = DatasetExport.objects.select_related("dataset", "version")
    export: DatasetExport | None = rows.filter(dataset=dataset_id, pk=rows_export_id).first()
    if export is None:
        raise NotFound(_("There is no such export here. Check the address."))
    return export


def export_file(dataset_id: uuid.UUID, rows_export_id: uuid.UUID) -> DatasetExport:
    """Return an export whose file can be downloaded.

    Raises:
        NotFound: There is none here.
        Conflict: `export_not_done`.
    """
    export = export_get(dataset_id, rows_export_id)
    if export.status != DatasetExport.Status.DONE:
        raise Conflict(
            _("This export has no file yet. Wait until it is done, or start it again."),
            code="export_not_done",
            state=export.status,
        )
    return export
