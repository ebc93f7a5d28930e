"""Measuring what augmented rows are worth: ordered, stopped. `measuring` does it."""

from __future__ import annotations

import uuid

from django.utils.translation import gettext as _

from billing import entitlements, plans
from modelyard.core import clock, queue
from modelyard.core.errors import Conflict, Invalid
from tenants import access, audit
from tenants.access import Actor
from tenants.controls import hooks as controls
from tenants.controls import switches
from tenants.rights import hooks as rights
from tenants.scoping.context import tenant_scope
from training.datasets import selectors as datasets
from training.datasets.models import Dataset, DatasetVersion
from training.datasets.services import work
from training.datasets.services.sweeping import work_add
from training.datasets.states import WORK
from training.engine.catalog import DEFAULT_BASE
from training.jobs import recipes
from training.loops import selectors
from training.loops.models import Gain
from training.loops.types import PRESET, TRAININGS, UNITS

MEASURE = "loops.measure"
_OPEN = ("waiting", "running")
work_add(Gain, MEASURE, "gain_id")


def gain_start(*, actor: Actor, version_id: uuid.UUID, base: str = "") -> Gain:
    """Order the measurement of a version's augmented rows; needs an open scope.

    What was measured with this base model is returned as it is; one that was stopped goes on.

    Args:
        actor: Who; needs `runs.write`.
        version_id: A frozen version with augmented rows.
        base: The base model; '' for the one it began with, or the default.

    Raises:
        Invalid: `not_augmented`, `base_unknown`.
        NotFound: No such version.
        Conflict: `version_not_frozen`; `gain_running`, with another base model.
        QuotaExceeded: Less training time is left than it takes at the very least.
        Unavailable: `training_paused`.
    """
    access.require(actor, "runs.write")
    switches.require_training()
    datasets.version_get(version_id)
    version = datasets.version_row(version_id)
    if not version.augmented_rows:
        raise Invalid(
            _("This version has no augmented rows, so there is no gain. Freeze one with them."),
            code="not_augmented",
        )
    Dataset.objects.select_for_update().get(pk=version.dataset_id)
    gain = selectors.gain_find(version_id)
    wanted = base or (gain.base if gain else DEFAULT_BASE)
    recipes.spec_build(PRESET, {"base": wanted})
    if gain is not None and gain.status in {*_OPEN, "done"} and gain.base == wanted:
        return gain
    if gain is not None and gain.status in _OPEN:
        raise Conflict(
            _("The gain is being measured with %(base)s. Wait for it, or stop it first.")
            % {"base": gain.base},
            code="gain_running",
        )
    return _order(actor, version, gain, wanted)


def _order(actor: Actor, version: DatasetVersion, gain: Gain | None, base: str) -> Gain:
    same = gain is not None and gain.base == base
    expected = selectors.estimate(version, selectors.left(gain) if same else TRAININGS)
    entitlements.require(actor.tenant_id, plans.TRAIN_MS, round(expected.low * 1000))
    kept = {name: version.augmentation[name] for name in ("operations", "per_row", "templates")}
    fields: dict[str, object] = {
        "moved_at": clock.now(),
        "total": UNITS * len(TRAININGS),
        "base": base,
        "augmentation": kept,
        "eta_seconds": expected.middle,
    }
    if gain is None:
        gain = Gain.objects.create(dataset_id=version.dataset_id, version=version, **fields)
    else:
        fields |= {"lease_until": None, "finished_at": None, "error_code": "", "error_data": {}}
        if not same:
            fields |= {"trainings": [], "truth": {}, "result": {}, "done": 0}
        WORK.require(gain, "waiting", **fields)
    audit.record(actor, "gain.ordered", gain, version=str(version.pk), base=base)
    queue.enqueue(MEASURE, tenant_id=str(gain.tenant_id), gain_id=str(gain.pk))
    return gain


def gain_cancel(*, actor: Actor, version_id: uuid.UUID) -> Gain:
    """Stop the measurement; trainings that are over stay, and are charged. Needs an open scope.

    Raises:
        NotFound: Nothing is measured there.
        Conflict: It ended already.
    """
    access.require(actor, "runs.write")
    gain = selectors.gain_get(version_id)
    if gain.status == Gain.Status.CANCELLED:
        return gain
    return work.cancel(actor=actor, row=gain)


def tenant_stop(tenant_id: uuid.UUID) -> int:
    """Stop every measurement of a tenant that goes; none is held after, writes are fenced."""
    with tenant_scope(tenant_id):
        for gain in Gain.objects.filter(status__in=_OPEN).select_for_update():
            work.cancel(actor=access.system(tenant_id), row=gain)
    return 0


rights.on_tenant_stopping.append(tenant_stop)
controls.on_tenant_closed.append(tenant_stop)
