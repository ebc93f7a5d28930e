"""Reads of gains, in the tenant's scope."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence

from django.utils.translation import gettext as _

from modelyard.core.errors import NotFound
from training.datasets import lineage, offers
from training.datasets import selectors as datasets
from training.datasets.models import DatasetVersion
from training.datasets.offers import Offer
from training.jobs import forecast, recipes
from training.jobs.types import Estimate
from training.loops.models import Gain
from training.loops.types import HELPS, PRESET, TRAININGS, UNITS, Training


def gain_find(version_id: uuid.UUID) -> Gain | None:
    """Return the measurement of a version, None where there is none.

    Raises:
        NotFound: No such version.
    """
    datasets.version_row(version_id)
    found: Gain | None = Gain.objects.filter(version=version_id).first()
    return found


def gain_get(version_id: uuid.UUID) -> Gain:
    """Return the measurement of a version.

    Raises:
        NotFound: No such version, or its gain was never measured.
    """
    found = gain_find(version_id)
    if found is None:
        raise NotFound(_("The gain of this version was not measured yet."))
    return found


def percent(gain: Gain) -> int:
    """Return how far a measurement is, 0 to 100."""
    return min(100, gain.done * 100 // (UNITS * len(TRAININGS)))


def left(gain: Gain | None) -> list[Training]:
    """Return the trainings that are still to be done, in their order."""
    over = {one["key"] for one in gain.trainings} if gain is not None else set()
    return [one for one in TRAININGS if one.key not in over]


def estimate(version: DatasetVersion, trainings: Sequence[Training]) -> Estimate:
    """Return how long these trainings on a version will take."""
    spec = recipes.spec_build(PRESET, {})
    real = int(version.split_counts.get("train", 0))
    judged = int(version.split_counts.get("validation", 0))
    chars = version.text_stats.get("mean")
    seconds = forecast.START_SECONDS
    for one in trainings:
        rows = real + (version.augmented_rows if one.augmented else 0)
        seconds += forecast.learning_seconds(spec, rows, judged, chars=chars)
    return forecast.around(seconds)


def offer_for(dataset_id: uuid.UUID) -> Offer | None:
    """Return the augmentation of the newest measurement that found help.

    A later measurement of the same augmentation that found none takes it away.
    """
    seen: set[str] = set()
    done = Gain.objects.filter(dataset=dataset_id, status="done").select_related("version")
    for gain in done.order_by("-finished_at"):
        spec, result = gain.augmentation, gain.result
        name = json.dumps(spec, sort_keys=True)
        if name not in seen and result["verdict"] == HELPS:
            return Offer(
                operations=tuple(spec["operations"]),
                per_row=spec["per_row"],
                templates=tuple(spec["templates"]),
                number=gain.version.number,
                mean=result["mean"],
                low=result["low"],
                high=result["high"],
            )
        seen.add(name)
    return None


def measured_on(version_ids: Sequence[uuid.UUID]) -> Iterable[lineage.Use]:
    """Yield the measurements that need these versions now."""
    rows = Gain.objects.filter(version__in=version_ids, status__in=["waiting", "running"])
    for gain in rows.select_related("version__dataset"):
        yield lineage.Use(
            kind="gain",
            id=gain.pk,
            title=_("gain of v%(n)d") % {"n": gain.version.number},
            status=gain.status,
            version_id=gain.version_id,
            page="datasets:version",
            page_id=str(gain.version_id),
            busy=True,
        )


lineage.askers_of_use.append(measured_on)
offers.askers.append(offer_for)
