"""Reads of maps: how far one is, whether it still shows the rows of today, where its points lie."""

from __future__ import annotations

import uuid

from django.utils.translation import gettext as _

from modelyard.core import clock
from modelyard.core.errors import Conflict, NotFound
from training.datasets import selectors
from training.datasets.models import Map

MOST_POINTS = 20_000
"""Rows on a map; of a larger dataset, a sample that is the same for the same rows."""
PLACED_AT_ONCE = 5_000
_SECONDS_A_ROW = 0.005
_SECONDS_A_ROW_MORE = 0.0012
"""How long placing takes on a core, measured; see docs/adr."""


def map_of(dataset_id: uuid.UUID) -> Map | None:
    """Return the dataset's map, in whatever state; None before somebody wanted one."""
    found: Map | None = Map.objects.filter(dataset=dataset_id).first()
    return found


def map_get(dataset_id: uuid.UUID) -> Map:
    """Return the dataset's map, in whatever state.

    Raises:
        NotFound: No such dataset, or nobody made a map of it.
    """
    selectors.dataset_get(dataset_id)
    found = map_of(dataset_id)
    if found is None:
        raise NotFound(_("There is no map of this dataset yet. Make one."), code="no_map")
    return found


def points_key(dataset_id: uuid.UUID) -> str:
    """Return the S3 key of the points of the newest finished map.

    Raises:
        NotFound: No such dataset, or nobody made a map of it.
        Conflict: `map_not_done`.
    """
    found = map_get(dataset_id)
    if not found.points_key:
        raise Conflict(
            _("The map has no points yet. Wait until it is done, or make it again."),
            code="map_not_done",
            state=found.status,
        )
    return found.points_key


def is_stale(found: Map, mark: str) -> bool:
    """Say whether rows changed since a finished map began; `mark` is `checking.rows_mark` of now.

    A version that was frozen since changes no row.
    """
    return bool(found.points_key) and found.mark.partition(":")[0] != mark.partition(":")[0]


def seconds_left(found: Map) -> int | None:
    """Return about how long a running map takes still; None: not known yet, or not running."""
    if found.status != Map.Status.RUNNING or found.started_at is None or not found.total:
        return None
    placing = _placing_seconds(found.total)
    passed = (clock.now() - found.started_at).total_seconds()
    if found.phase == "placing":
        since = (clock.now() - found.moved_at).total_seconds()
        return max(1, round(placing - since))
    if found.phase != "embedding" or not found.done:
        return None
    return max(1, round(passed * (found.total - found.done) / found.done + placing))


def _placing_seconds(rows: int) -> float:
    return _SECONDS_A_ROW * min(rows, PLACED_AT_ONCE) + _SECONDS_A_ROW_MORE * rows
