"""What the pages of datasets show, put together from selectors."""

from __future__ import annotations

import uuid
from typing import Any

from training.datasets import selectors
from training.datasets.views.frame import cursor_of, frame_context

PAGE_ROWS = 50


def list_context(cursor: str) -> dict[str, Any]:
    """Return the context of `datasets/list.html`."""
    rows = selectors.dataset_list()
    after = cursor_of(cursor)
    if after is not None:
        rows = rows.filter(pk__lt=after)
    page = list(rows[: PAGE_ROWS + 1])
    shown = page[:PAGE_ROWS]
    latest = selectors.version_latest([dataset.pk for dataset in shown])
    labels = selectors.label_totals([dataset.pk for dataset in shown])
    datasets = []
    for dataset in shown:
        version = latest.get(dataset.pk)
        facts = {
            "id": dataset.pk,
            "name": dataset.name,
            "rows": dataset.example_count,
            "labels": labels.get(dataset.pk, 0),
            "version": version.number if version else None,
            "status": version.status if version else "",
            "updated_at": version.moved_at if version else dataset.created_at,
        }
        datasets.append(facts)
    following = str(shown[-1].pk) if len(page) > PAGE_ROWS else ""
    return {"datasets": datasets, "page": {"next": following}}


def imports_context(dataset_id: uuid.UUID, cursor: str) -> dict[str, Any]:
    """Return the context of `datasets/imports.html`: a page of imports, newest first."""
    rows = selectors.upload_list(dataset_id)
    after = cursor_of(cursor)
    if after is not None:
        rows = rows.filter(pk__lt=after)
    page = list(rows[: PAGE_ROWS + 1])
    following = str(page[PAGE_ROWS - 1].pk) if len(page) > PAGE_ROWS else ""
    return {
        **frame_context(dataset_id, "imports"),
        "imports": page[:PAGE_ROWS],
        "page": {"next": following},
    }
