"""What the tab of exports shows."""

from __future__ import annotations

import uuid
from typing import Any

from django.utils.translation import gettext_lazy as lazy

from training.datasets import exported, reasons, selectors
from training.datasets.models import DatasetExport
from training.datasets.views.frame import frame_context

SHOWN = 50
TITLES = {
    "csv": lazy("CSV, for spreadsheets"),
    "xlsx": lazy("Spreadsheet (XLSX)"),
    "jsonl": lazy("JSON Lines"),
    "json": lazy("JSON list"),
    "parquet": lazy("Parquet"),
    "txt": lazy("Text, a line a row"),
    "conll": lazy("CoNLL (tokens and tags)"),
    "huggingface": lazy("Hugging Face dataset folder"),
    "labelstudio": lazy("Label Studio JSON"),
    "doccano": lazy("doccano JSON Lines"),
    "openai": lazy("OpenAI fine-tuning JSON Lines"),
    "vertex": lazy("Vertex AI CSV, for programs"),
    "autotrain": lazy("AutoTrain CSV, for programs"),
    "images": lazy("Zip of images, a folder a label"),
}
"""Names of the formats, for people."""


def exports_context(dataset_id: uuid.UUID) -> dict[str, Any]:
    """Return the context of `datasets/exports.html`."""
    exports = list(exported.export_list(dataset_id)[:SHOWN])
    versions = selectors.version_list(dataset_id).filter(status="frozen")
    frame = frame_context(dataset_id, "exports")
    formats = exported.formats_of(frame["dataset"])
    return {
        **frame,
        "exports": [_facts(export) for export in exports],
        "formats": [(name, title) for name, title in TITLES.items() if name in formats],
        "frozen": [(version.pk, version.number) for version in versions[:SHOWN]],
        "moving": any(export.status in {"waiting", "running"} for export in exports),
    }


def _facts(export: DatasetExport) -> dict[str, Any]:
    percent = min(100, 100 * export.done // export.total) if export.total else 0
    return {
        "id": export.pk,
        "filename": export.filename,
        "title": TITLES.get(export.format, export.format),
        "version": export.version.number if export.version else None,
        "status": export.status,
        "percent": percent,
        "rows": export.rows,
        "bytes": export.bytes,
        "created_at": export.created_at,
        "problem": reasons.file_sentence(export.error_code, export.error_data),
    }
