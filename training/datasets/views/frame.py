"""What every page of a dataset shows around its tab."""

from __future__ import annotations

import uuid
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from training.datasets import selectors
from training.datasets.models import DatasetVersion


def cursor_of(text: str) -> uuid.UUID | None:
    """Return the id that a page's address names, None for none or a wrong one."""
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        return None


def frame_context(dataset_id: uuid.UUID, tab: str) -> dict[str, Any]:
    """Return the context of `datasets/base.html`; `tab` is the one that is open.

    Raises:
        NotFound: No such dataset.
    """
    dataset = selectors.dataset_get(dataset_id)
    labels = selectors.label_counts(dataset_id)
    labelled = sum(labels.values())
    newest = selectors.version_list(dataset_id).first()
    frozen = selectors.version_frozen_latest(dataset_id)
    draft = labelled - (frozen.rows if frozen else 0)
    moved = draft != 0 or (frozen is not None and selectors.changed_since(frozen))
    freezing = newest is not None and newest.status == DatasetVersion.Status.FREEZING
    return {
        "dataset": dataset,
        "tab": tab,
        "sentence": _sentence(dataset.example_count, len(labels)),
        "version": version_facts(frozen) if frozen else None,
        "draft_rows": max(draft, 0),
        "changed": moved and draft <= 0,
        "freezing": freezing,
        "unlabelled": dataset.example_count - labelled,
        "can_freeze": moved and labelled > 0 and not freezing,
    }


def version_facts(version: DatasetVersion) -> dict[str, Any]:
    """Return what pages say of a version."""
    return {
        "id": version.pk,
        "number": version.number,
        "status": version.status,
        "rows": version.rows,
        "hash": version.content_hash,
        "frozen_at": version.frozen_at,
        "splits": version.split_counts,
    }


def _sentence(rows: int, labels: int) -> str:
    if not rows:
        return _("Empty. Import a file to fill it.")
    counted = ngettext("%(n)s row", "%(n)s rows", rows) % {
        "n": number_format(rows, force_grouping=True)
    }
    kinds = ngettext("%(n)d label", "%(n)d labels", labels) % {"n": labels}
    return _("%(rows)s, %(labels)s.") % {"rows": counted, "labels": kinds}
