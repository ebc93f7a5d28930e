"""Labels that people gave: written into the examples, never into a frozen version."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from modelyard.core.errors import Conflict
from tenants import access
from tenants.access import Actor
from training.datasets import selectors
from training.datasets.hashes import data_hash
from training.datasets.models import Dataset, Example
from training.datasets.services.versions import refuse_while_moving

_CHUNK_ROWS = 2_000
# A row that would repeat another (same text, same label) stays as it is.
_UPDATE = """
update datasets_example as mine set label = given.label, content_hash = given.hash
from unnest(%s::uuid[], %s::text[], %s::text[]) as given (id, label, hash)
where mine.tenant_id = %s and mine.dataset_id = %s and mine.id = any(%s::uuid[])
  and mine.id = given.id
  and not exists (
    select 1 from datasets_example as other
    where other.tenant_id = mine.tenant_id and other.dataset_id = mine.dataset_id
      and other.content_hash = given.hash)
"""


def labels_apply(
    *, actor: Actor, dataset_id: uuid.UUID, labels: Mapping[uuid.UUID, str]
) -> dict[str, int]:
    """Set the labels of examples by id; needs an open scope. The caller writes the audit row.

    Returns:
        How many examples were `labelled` (had no label), `corrected` (had another), `unchanged`
        (had this one), `repeats` (the dataset has the text with this label already, so the
        row stays as it was), and `removed` (a change took the row out of the dataset).

    Raises:
        Conflict: `import_running`, `freeze_running`.
        NotFound: No such dataset.
    """
    access.require(actor, "data.write")
    dataset = selectors.dataset_get(dataset_id)
    Dataset.objects.select_for_update().get(pk=dataset.pk)
    refuse_while_moving(dataset)
    counts = {"labelled": 0, "corrected": 0, "unchanged": 0, "repeats": 0, "removed": 0}
    ids = sorted(labels)
    for start in range(0, len(ids), _CHUNK_ROWS):
        chunk = ids[start : start + _CHUNK_ROWS]
        rows = list(Example.live.filter(dataset=dataset, pk__in=chunk).order_by("pk"))
        counts["removed"] += len(chunk) - len(rows)
        _apply(dataset, rows, labels, counts)
    return counts


def _apply(
    dataset: Dataset,
    rows: list[Example],
    labels: Mapping[uuid.UUID, str],
    counts: dict[str, int],
) -> None:
    changing: dict[str, Example] = {}
    for row in rows:
        if row.label == labels[row.pk]:
            counts["unchanged"] += 1
            continue
        hashed = data_hash(row.data, labels[row.pk])
        if hashed in changing:
            counts["repeats"] += 1
        changing.setdefault(hashed, row)
    _update(dataset, changing, labels)
    kept = Example.objects.filter(dataset=dataset, pk__in=[row.pk for row in changing.values()])
    now = dict(kept.values_list("pk", "label"))
    for row in changing.values():
        if now[row.pk] != labels[row.pk]:
            counts["repeats"] += 1
        else:
            counts["labelled" if row.label is None else "corrected"] += 1


def _update(
    dataset: Dataset, changing: Mapping[str, Example], labels: Mapping[uuid.UUID, str]
) -> None:
    values = [
        [str(row.pk) for row in changing.values()],
        [labels[row.pk] for row in changing.values()],
        list(changing),
    ]
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_UPDATE, [*values, dataset.tenant_id, dataset.pk, values[0]])
    except IntegrityError as error:
        raise Conflict(
            _("Rows were imported at the same moment. Freeze again."), code="import_running"
        ) from error
