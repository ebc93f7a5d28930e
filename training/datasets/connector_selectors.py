"""Reads of connectors, their pulls and what those looked at, within the tenant in scope."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from modelyard.core import clock
from modelyard.core.errors import NotFound
from training.datasets.models import Connector, Item, Pull, Upload

_LOOKED_BACK = 200
"""Of a connector's earlier uploads, so many are asked for the same columns."""


@dataclass(frozen=True)
class PullProgress:
    """How far a pull is: items looked at, items a second, seconds to go (None: unknown)."""

    done: int
    total: int
    percent: int | None
    per_second: float
    eta_seconds: int | None


def connector_list(dataset_id: uuid.UUID) -> QuerySet[Connector]:
    """Return a dataset's connectors, newest first."""
    return Connector.objects.filter(dataset=dataset_id).order_by("-id")


def connector_get(connector_id: uuid.UUID) -> Connector:
    """Return one connector with its dataset.

    Raises:
        NotFound: There is none here.
    """
    rows = Connector.objects.select_related("dataset").filter(pk=connector_id)
    connector: Connector | None = rows.first()
    if connector is None:
        raise NotFound(_("There is no such connector here. Check the address."))
    return connector


def pull_list(connector_id: uuid.UUID) -> QuerySet[Pull]:
    """Return a connector's pulls, newest first."""
    return Pull.objects.filter(connector=connector_id).order_by("-id")


def pull_latest(connector_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Pull]:
    """Return the newest pull of each connector that has one."""
    rows = Pull.objects.filter(connector__in=connector_ids).order_by("connector", "-id")
    return {pull.connector_id: pull for pull in rows.distinct("connector")}


def pull_get(pull_id: uuid.UUID) -> Pull:
    """Return one pull with its connector and dataset.

    Raises:
        NotFound: There is none here.
    """
    rows = Pull.objects.select_related("connector__dataset").filter(pk=pull_id)
    pull: Pull | None = rows.first()
    if pull is None:
        raise NotFound(_("There is no such pull here. Check the address."))
    return pull


def pull_progress(pull: Pull) -> PullProgress:
    """Return how far a pull is; the estimate is items to go at the speed so far."""
    if pull.started_at is None:
        return PullProgress(0, pull.total, None, 0.0, None)
    seconds = ((pull.finished_at or clock.now()) - pull.started_at).total_seconds()
    speed = pull.done / seconds if seconds > 0 else 0.0
    percent = min(100, pull.done * 100 // pull.total) if pull.total else None
    eta: int | None = None
    if pull.finished_at is not None:
        eta = 0
    elif pull.done and pull.total and seconds >= 1:
        eta = max(1, round((pull.total - pull.done) / speed))
    return PullProgress(pull.done, pull.total, percent, round(speed, 2), eta)


def item_list(pull_id: uuid.UUID) -> QuerySet[Item]:
    """Return what a pull looked at and no later one did, in its order."""
    return Item.objects.filter(pull=pull_id).order_by("at", "id")


def pull_uploads(pull_id: uuid.UUID) -> QuerySet[Upload]:
    """Return the uploads that a pull brought, in their order."""
    return Upload.objects.filter(pull_id=pull_id).order_by("created_at", "id")


def _of_same_connector(upload: Upload) -> QuerySet[Upload]:
    owner = Pull.objects.filter(pk__in=[upload.pull_id]).values("connector")
    pulls = Pull.objects.filter(connector__in=owner)
    return Upload.objects.filter(pull_id__in=pulls.values("pk"), collected=upload.collected)


def uploads_mapped_before(upload: Upload) -> list[Upload]:
    """Return earlier uploads of the same connector whose columns somebody chose, newest first."""
    rows = _of_same_connector(upload).filter(status__in=["importing", "done"])
    return list(rows.exclude(pk=upload.pk).order_by("-created_at")[:_LOOKED_BACK])


def upload_mapped_like(upload: Upload) -> Upload | None:
    """Return the newest of those with the very same format and columns; None without one."""
    return next((one for one in uploads_mapped_before(upload) if _alike(one, upload)), None)


def uploads_waiting_like(upload: Upload) -> list[Upload]:
    """Return uploads of the same connector that wait for a mapping of the same columns."""
    rows = _of_same_connector(upload).filter(status="mapping").exclude(pk=upload.pk)
    return [one for one in rows.order_by("created_at")[:1_000] if _alike(one, upload)]


def columns_changed(upload: Upload) -> tuple[list[str], list[str]] | None:
    """Return (new, missing) columns of a waiting upload against the last mapped one of its
    connector; None where there is nothing to compare, or no difference.
    """
    if upload.pull_id is None or upload.status != Upload.Status.MAPPING:
        return None
    before = uploads_mapped_before(upload)
    if not before or _alike(before[0], upload):
        return None
    old, new = before[0].preview.get("columns", []), upload.preview.get("columns", [])
    return [name for name in new if name not in old], [name for name in old if name not in new]


def _alike(one: Upload, other: Upload) -> bool:
    same = one.preview.get("columns") == other.preview.get("columns")
    return same and one.format == other.format
