"""What the pages around the deletion of a dataset show."""

from __future__ import annotations

import uuid
from typing import Any

from django.utils.translation import gettext_lazy as lazy

from training.datasets import deleted, selectors

KINDS = {"run": lazy("Run"), "model": lazy("Model"), "deployment": lazy("Deployment")}
SHOWN = 100


def delete_context(dataset_id: uuid.UUID) -> dict[str, Any]:
    """Return the context of `datasets/delete.html`."""
    dataset = selectors.dataset_get(dataset_id)
    uses = deleted.dataset_uses(dataset.pk)
    return {
        "dataset": dataset,
        "uses": [{"use": use, "kind": KINDS[use.kind]} for use in uses[:SHOWN]],
        "more": max(0, len(uses) - SHOWN),
        "busy": any(use.busy for use in uses),
    }


def open_context() -> dict[str, Any]:
    """Return the context of `datasets/_deletions.html`: what isn't done yet."""
    rows = [
        {
            "id": one.pk,
            "name": one.dataset.name,
            "done": min(one.done, one.total),
            "total": one.total,
            "percent": min(99, one.done * 100 // max(1, one.total)),
            "failed": one.status == "failed",
        }
        for one in deleted.deletion_open()[:SHOWN]
    ]
    return {"deletions": rows, "deleting": any(not row["failed"] for row in rows)}
