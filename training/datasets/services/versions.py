"""Versions: ordered, stopped, deleted; the job of `freezing` writes them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Max
from django.utils.translation import gettext as _

from modelyard.core import clock, live, queue, storage
from modelyard.core.errors import Conflict, Invalid
from tenants import access, audit
from tenants.access import Actor
from tenants.scoping.context import tenant_scope
from training.datasets import lineage, reasons, selectors
from training.datasets.augment.spec import SpecWrong, spec_of
from training.datasets.models import (
    Comparison,
    Dataset,
    DatasetExport,
    DatasetVersion,
)
from training.datasets.services.changes import refuse_while_changing
from training.datasets.services.clearing import batch_delete
from training.datasets.services.datasets import texts_require
from training.datasets.shares import MIN_TEXTS, Shares, sizes
from training.datasets.states import VERSION

MAX_SEED = 2**31 - 1
MAX_FIELD = 255
MAX_NOTES = 20_000
DEFAULT_SHARES: Shares = (0.8, 0.1, 0.1)
GROUPINGS = ("near", "exact", "field")
Status = DatasetVersion.Status


def version_freeze(
    *,
    actor: Actor,
    dataset_id: uuid.UUID,
    seed: int = 0,
    shares: Sequence[float] = DEFAULT_SHARES,
    grouping: Mapping[str, str] | None = None,
    stratified: bool = True,
    augmentation: Mapping[str, Any] | None = None,
) -> DatasetVersion:
    """Start a new version of the labelled rows; needs an open scope. A task writes its rows.

    Args:
        actor: Who.
        dataset_id: Of what.
        seed: Of the draw and of augmentation.
        shares: Of train, validation and test.
        grouping: What never crosses splits: `{"by": "near"}` (near duplicates, the default),
            `{"by": "exact"}` (equal texts; of images the only one), or
            `{"by": "field", "field": name}` (and equal values of that other column).
        stratified: Keep the shares within each label.
        augmentation: `{"operations", "per_row", "templates"}`, of `augment.spec`; None: no.

    Raises:
        Invalid: `no_labelled_rows`, `one_label`, `label_too_small`, `too_few_rows`,
            `shares_wrong`, `seed_wrong`, `grouping_wrong`, and those of `SpecWrong`.
        Conflict: `import_running`, `change_running`, `freeze_running`, `texts_only`.
        NotFound: No such dataset.
    """
    access.require(actor, "data.write")
    dataset = selectors.dataset_get(dataset_id)
    wanted = _checked_shares(shares)
    if not 0 <= seed <= MAX_SEED:
        raise Invalid(_("The seed is a whole number from 0 to 2147483647."), code="seed_wrong")
    by = _checked_grouping(dataset, grouping)
    if augmentation:
        texts_require(
            dataset, _("More rows are made of texts alone. Freeze the images without that.")
        )
    made = augmentation_check(dataset.pk, augmentation) if augmentation else {}
    Dataset.objects.select_for_update().get(pk=dataset.pk)
    refuse_while_moving(dataset)
    _refuse_unlearnable(selectors.label_counts(dataset.pk), wanted)
    last = DatasetVersion.objects.filter(dataset=dataset).aggregate(n=Max("number"))["n"] or 0
    parent = selectors.version_frozen_latest(dataset.pk)
    version = DatasetVersion.objects.create(
        dataset=dataset,
        number=last + 1,
        seed=seed,
        shares=wanted,
        grouping=by,
        stratified=stratified,
        augmentation=made,
        parent=parent.pk if parent else None,
        moved_at=clock.now(),
    )
    audit.record(actor, "version.freezing", version, number=version.number)
    queue.enqueue("datasets.freeze", tenant_id=str(actor.tenant_id), version_id=str(version.pk))
    return version


def _checked_shares(shares: Sequence[float]) -> Shares:
    if len(shares) != 3 or min(shares) < 0.01 or abs(sum(shares) - 1) > 1e-6:
        raise Invalid(
            _("Give the shares of train, validation and test: each 0.01 or more, together 1."),
            code="shares_wrong",
        )
    return (float(shares[0]), float(shares[1]), float(shares[2]))


def _checked_grouping(dataset: Dataset, grouping: Mapping[str, str] | None) -> dict[str, str]:
    by = (grouping or {}).get("by", "exact" if dataset.holds_images else "near")
    if by != "exact":
        texts_require(
            dataset, _("Images are kept together when they are equal. Group them by “exact”.")
        )
    field = str((grouping or {}).get("field", "")).strip()
    if by not in GROUPINGS or (by == "field" and not 0 < len(field) <= MAX_FIELD):
        raise Invalid(
            _("Group by near duplicates (near), equal texts (exact), or a named column (field)."),
            code="grouping_wrong",
        )
    return {"by": by, "field": field} if by == "field" else {"by": by}


def augmentation_check(dataset_id: uuid.UUID, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the order as a version keeps it, with the dataset's words; needs an open scope.

    Raises:
        Invalid: It can't be carried out.
    """
    try:
        return spec_of(given, selectors.words_get(dataset_id)).to_json()
    except SpecWrong as wrong:
        raise Invalid(reasons.version_sentence(wrong.code, {}), code=wrong.code) from wrong


def refuse_while_moving(dataset: Dataset) -> None:
    """Raise `Conflict` while rows are imported or frozen: they must not change under that."""
    if selectors.upload_moving(dataset.pk).exists():
        raise Conflict(
            _("A file is being imported into this dataset. Freeze it when that is done."),
            code="import_running",
        )
    refuse_while_changing(dataset.pk)
    if DatasetVersion.objects.filter(dataset=dataset, status=Status.FREEZING).exists():
        raise Conflict(
            _("A version of this dataset is being frozen already. Wait for it."),
            code="freeze_running",
        )


def _refuse_unlearnable(texts: dict[str, int], shares: Shares) -> None:
    """Refuse what no model could learn from, and say what is missing."""
    if not texts:
        raise Invalid(
            _("No row has a label. Import a file with a label column first."),
            code="no_labelled_rows",
        )
    if len(texts) == 1:
        raise Invalid(
            _("All rows have the label “%(label)s”. Add rows of at least one other label.")
            % {"label": next(iter(texts))},
            code="one_label",
        )
    small = sorted(label for label, n in texts.items() if n < MIN_TEXTS)
    if small:
        raise Invalid(
            _(
                "Each label needs %(least)d different texts or more. Too few of: %(labels)s. "
                "Add examples of them, or leave them out."
            )
            % {"least": MIN_TEXTS, "labels": ", ".join(small[:20])},
            code="label_too_small",
            labels=small[:200],
        )
    parts = [sizes(n, shares) for n in texts.values()]
    if not all(sum(part[index] for part in parts) for index in range(3)):
        raise Invalid(
            _(
                "There are too few rows to train, validate and test on different ones. "
                "Have 4 different texts or more for at least one label."
            ),
            code="too_few_rows",
        )


def version_cancel(*, actor: Actor, version_id: uuid.UUID) -> DatasetVersion:
    """Stop a freeze; nothing of it stays but its number. Needs an open scope.

    Raises:
        Conflict: It ended already.
    """
    access.require(actor, "data.write")
    version = selectors.version_row(version_id)
    VERSION.require(version, Status.CANCELLED, moved_at=clock.now(), lease_until=None)
    audit.record(actor, "version.cancelled", version, number=version.number)
    _ring(version)
    live.publish(f"version:{version.pk}")
    return version


def version_describe(*, actor: Actor, version_id: uuid.UUID, notes: str) -> DatasetVersion:
    """Set what people wrote for the data card; the rows stay as they are. Needs an open scope.

    Raises:
        Invalid: `notes_long`.
        Conflict: The version isn't frozen.
    """
    access.require(actor, "data.write")
    selectors.version_get(version_id)
    version = selectors.version_row(version_id)
    if len(notes) > MAX_NOTES:
        raise Invalid(
            _("The notes have more than %(most)d characters. Shorten them.") % {"most": MAX_NOTES},
            code="notes_long",
        )
    version.notes = notes
    version.save(update_fields=["notes"])
    audit.record(actor, "version.described", version, number=version.number)
    return version


def version_delete(*, actor: Actor, version_id: uuid.UUID, name: str) -> DatasetVersion:
    """Delete a version's rows and files for good; needs an open scope. A task does it.

    The row stays with hash and counts, so that what was trained on it can say so.

    Args:
        actor: Who.
        version_id: What.
        name: `<dataset> v<number>`, typed by a person who means it.

    Raises:
        Invalid: `name_differs`.
        Conflict: `version_in_use` (a run that hasn't ended needs it), `version_state`.
    """
    access.require(actor, "data.delete")
    version = selectors.version_row(version_id)
    Dataset.objects.select_for_update().get(pk=version.dataset_id)
    if name.strip() != str(version):
        raise Invalid(
            _("Type “%(name)s” to delete this version.") % {"name": str(version)},
            code="name_differs",
        )
    busy = [use.title for use in lineage.version_uses(version.pk) if use.busy]
    if busy:
        raise Conflict(
            _("These runs need the version: %(runs)s. Wait for them, or cancel them.")
            % {"runs": ", ".join(busy[:10])},
            code="version_in_use",
        )
    VERSION.require(version, Status.DELETING, moved_at=clock.now(), lease_until=None)
    audit.record(
        actor, "version.deleting", version, number=version.number, content=version.content_hash
    )
    _ring(version)
    return version


def _ring(version: DatasetVersion) -> None:
    queue.enqueue("datasets.clear", tenant_id=str(version.tenant_id), version_id=str(version.pk))


def clear_run(*, tenant_id: uuid.UUID, version_id: uuid.UUID) -> None:
    """Remove rows and files of a version that is being deleted, or was cancelled; repeatable."""
    with tenant_scope(tenant_id):
        version = selectors.version_row(version_id)
        if version.status not in {Status.DELETING, Status.CANCELLED}:
            return
        comparisons = list(selectors.comparisons_of(version.pk).values_list("pk", flat=True))
        exports = list(version.exports.values_list("pk", flat=True))
    gone = True
    while gone:
        with tenant_scope(tenant_id):
            gone = bool(batch_delete("datasets_versionrow", tenant_id, "version_id", version.pk))
    for one in comparisons:
        storage.delete_prefix(f"{storage.tenant_key(tenant_id, 'datasets', str(one))}/")
    storage.delete_prefix(f"{storage.tenant_key(tenant_id, 'datasets', str(version.pk))}/")
    for one in exports:
        storage.delete_prefix(f"{storage.tenant_key(tenant_id, 'exports', 'rows', str(one))}/")
    with tenant_scope(tenant_id):
        Comparison.objects.filter(pk__in=comparisons).delete()
        DatasetExport.objects.filter(pk__in=exports).delete()
        rows = DatasetVersion.objects.filter(pk=version.pk)
        fields = {"rows_key": "", "augmentation": {}, "moved_at": clock.now()}
        if VERSION.advance(rows, Status.DELETED, **fields):
            audit.record(access.system(tenant_id), "version.deleted", version)
