"""Writes of datasets: make them, take files in, freeze versions."""

from __future__ import annotations

from billing import entitlements, plans
from training.datasets import selectors
from training.datasets.services.bulk import selection_of
from training.datasets.services.changes import (
    change_preview,
    change_run,
    change_start,
    change_undo,
)
from training.datasets.services.checks import check_run, checks_cancel, checks_start
from training.datasets.services.clearing import rows_clear
from training.datasets.services.comparing import compare_run, comparison_start
from training.datasets.services.connectors import (
    connector_create,
    connector_delete,
    connector_update,
)
from training.datasets.services.datasets import dataset_create
from training.datasets.services.deletions import (
    dataset_delete,
    deletion_retry,
    deletion_run,
)
from training.datasets.services.expiring import uploads_expire
from training.datasets.services.exporting import export_cancel, export_run, export_start
from training.datasets.services.fixes import FIXES
from training.datasets.services.imports import import_run
from training.datasets.services.inspection import inspect_run
from training.datasets.services.labels import labels_apply
from training.datasets.services.mapping_again import (
    upload_go_on,
    uploads_go_on,
    uploads_like_go_on,
)
from training.datasets.services.maps import map_cancel, map_run, map_start, pick_create
from training.datasets.services.pulls import pull_cancel, pull_run, pull_start, pulls_due
from training.datasets.services.receiving import (
    upload_arrived,
    upload_empty,
    upload_finish,
    upload_join,
    upload_open,
    upload_parts,
    upload_received,
    upload_record,
    upload_resume,
    upload_start,
)
from training.datasets.services.restoring import version_restore
from training.datasets.services.rows import rows_add
from training.datasets.services.search import search_run, search_start
from training.datasets.services.sweeping import multiparts_sweep, sweep
from training.datasets.services.uploads import (
    import_start,
    upload_abandon,
    upload_inspect_again,
)
from training.datasets.services.versions import (
    clear_run,
    version_cancel,
    version_delete,
    version_describe,
    version_freeze,
)
from training.datasets.services.words import words_set

entitlements.count_by(plans.EXAMPLES, selectors.example_count)
entitlements.count_by(plans.STORAGE_BYTES, selectors.stored_bytes)

__all__ = [
    "FIXES",
    "change_preview",
    "change_run",
    "change_start",
    "change_undo",
    "check_run",
    "checks_cancel",
    "checks_start",
    "clear_run",
    "compare_run",
    "comparison_start",
    "connector_create",
    "connector_delete",
    "connector_update",
    "dataset_create",
    "dataset_delete",
    "deletion_retry",
    "deletion_run",
    "export_cancel",
    "export_run",
    "export_start",
    "import_run",
    "import_start",
    "inspect_run",
    "labels_apply",
    "map_cancel",
    "map_run",
    "map_start",
    "multiparts_sweep",
    "pick_create",
    "pull_cancel",
    "pull_run",
    "pull_start",
    "pulls_due",
    "rows_add",
    "rows_clear",
    "search_run",
    "search_start",
    "selection_of",
    "sweep",
    "upload_abandon",
    "upload_arrived",
    "upload_empty",
    "upload_finish",
    "upload_go_on",
    "upload_inspect_again",
    "upload_join",
    "upload_open",
    "upload_parts",
    "upload_received",
    "upload_record",
    "upload_resume",
    "upload_start",
    "uploads_expire",
    "uploads_go_on",
    "uploads_like_go_on",
    "version_cancel",
    "version_delete",
    "version_describe",
    "version_freeze",
    "version_restore",
    "words_set",
]
