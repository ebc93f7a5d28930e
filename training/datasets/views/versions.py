"""What the pages of versions show."""

from __future__ import annotations

import uuid
from typing import Any

from training.datasets import selectors
from training.datasets.views.frame import frame_context, version_facts

SHOWN = 50


def versions_context(dataset_id: uuid.UUID) -> dict[str, Any]:
    """Return the context of `datasets/versions.html`."""
    versions = selectors.version_list(dataset_id)[:SHOWN]
    return {
        **frame_context(dataset_id, "versions"),
        "versions": [version_facts(version) for version in versions],
    }
