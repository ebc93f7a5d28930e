"""Deleting a dataset: hidden at once, then taken apart in batches by a task.

What was trained on it stays and says so: the dataset's row and those of its versions remain
with names, hashes and counts, without a single text.
"""

from __future__ import annotations

import uuid

from django.db import connection
from django.db.models import F
from django.utils.translation import gettext as _

from modelyard.core import clock, queue, storage
from modelyard.core.errors import Conflict, Invalid
from tenants import access, audit
from tenants.access import Actor
from tenants.scoping.context import tenant_scope
from training.datasets import deleted, selectors
from training.datasets.models import Dataset, DatasetVersion, Deletion
from training.datasets.services import clearing, work
from training.datasets.services.images import images_remove
from training.datasets.services.versions import clear_run, refuse_while_moving
from training.datasets.states import VERSION, WORK

_KEPT = {"datasets_datasetversion", "datasets_deletion"}
_LAST = ["datasets_example", "datasets_upload", "datasets_tally"]
_WITHOUT_FILES = {"datasets_example", "datasets_searchrow", "datasets_tally"}
_FOLDERS = {"datasets_upload": ("uploads",), "datasets_export": ("exports", "rows")}
"""Where the files of a table's rows lie under their ids, if not in `datasets`."""


def dataset_delete(*, actor: Actor, dataset_id: uuid.UUID, name: str) -> Deletion:
    """Delete a dataset with its rows, files and versions for good; needs an open scope.

    From now on nobody finds it; a task takes it apart. Models that were trained on it stay.

    Args:
        actor: Who.
        dataset_id: What.
        name: The dataset's name, typed by a person who means it.

    Raises:
        Invalid: `name_differs`.
        Conflict: `dataset_in_use` (a run that hasn't ended needs a version), `import_running`,
            `change_running`, `freeze_running`.
        NotFound: No such dataset.
    """
    access.require(actor, "data.delete")
    dataset = selectors.dataset_get(dataset_id)
    Dataset.objects.select_for_update().get(pk=dataset.pk)
    if " ".join(name.split()) != dataset.name:
        raise Invalid(
            _("Type “%(name)s” to delete this dataset.") % {"name": dataset.name},
            code="name_differs",
        )
    refuse_while_moving(dataset)
    busy = [use.title for use in deleted.dataset_uses(dataset.pk) if use.busy]
    if busy:
        raise Conflict(
            _("These runs need the dataset: %(runs)s. Wait for them, or cancel them.")
            % {"runs": ", ".join(busy[:10])},
            code="dataset_in_use",
        )
    now = clock.now()
    Dataset.objects.filter(pk=dataset.pk).update(deleted_at=now)
    versions = DatasetVersion.objects.filter(dataset=dataset)
    VERSION.advance(versions, "deleting", moved_at=now, lease_until=None, notes="")
    deletion: Deletion = Deletion.objects.create(
        dataset=dataset, moved_at=now, total=dataset.example_count
    )
    audit.record(actor, "dataset.deleting", dataset, name=dataset.name, rows=deletion.total)
    _ring(deletion)
    return deletion


def deletion_retry(*, actor: Actor, deletion_id: uuid.UUID) -> Deletion:
    """Go on with a deletion that failed; needs an open scope.

    Raises:
        Conflict: It hasn't failed.
        NotFound: No such deletion.
    """
    access.require(actor, "data.delete")
    deletion = deleted.deletion_get(deletion_id)
    if deletion.status != Deletion.Status.FAILED:
        raise Conflict(_("This deletion goes on by itself."), code="deletion_state")
    WORK.require(deletion, "waiting", moved_at=clock.now(), lease_until=None, error_code="")
    audit.record(actor, "deletion.retried", deletion)
    _ring(deletion)
    return deletion


def _ring(deletion: Deletion) -> None:
    queue.enqueue(
        "datasets.delete", tenant_id=str(deletion.tenant_id), deletion_id=str(deletion.pk)
    )


def deletion_run(*, tenant_id: uuid.UUID, deletion_id: uuid.UUID) -> None:
    """Take a deleted dataset apart, unless somebody does; delivered twice, done once."""
    claimed = work.claim(Deletion, tenant_id=tenant_id, row_id=deletion_id)
    if claimed is None:
        return
    try:
        _versions_clear(claimed)
        _files_remove(claimed)
        for table in _tables():
            _batches(claimed, table, "dataset_id", claimed.row.dataset_id)
        with tenant_scope(tenant_id):
            claimed.end("done", done=claimed.row.total, finished_at=clock.now())
    except work.WorkLost:
        return


def _tables() -> list[str]:
    """Return every table whose rows hang on a dataset; what brings new rows goes first."""
    fields = Dataset._meta.get_fields(include_hidden=True)  # noqa: SLF001 - Django's public spelling
    found = {
        field.related_model._meta.db_table  # noqa: SLF001
        for field in fields
        if field.one_to_many and field.auto_created and field.related_model
    }
    return [*sorted(found - _KEPT - set(_LAST)), *_LAST]


def _versions_clear(claimed: work.Claim[Deletion]) -> None:
    """Take the rows out of each version, and have the version deleted."""
    tenant_id, dataset = claimed.row.tenant_id, claimed.row.dataset_id
    with tenant_scope(tenant_id):
        rows = DatasetVersion.objects.filter(dataset=dataset, status="deleting")
        versions = list(rows.values_list("pk", flat=True))
    for version in versions:
        _batches(claimed, "datasets_versionrow", "version_id", version)
        clear_run(tenant_id=tenant_id, version_id=version)


def _files_remove(claimed: work.Claim[Deletion]) -> None:
    """Delete the uploaded files, their images, and what lies under other ids of the dataset."""
    tenant_id, given = claimed.row.tenant_id, [claimed.row.tenant_id, claimed.row.dataset_id]
    for table in _tables():
        if table in _WITHOUT_FILES:
            continue
        folder = _FOLDERS.get(table, ("datasets",))
        # The table's name comes from our own models.
        statement = f"select id from {table} where tenant_id = %s and dataset_id = %s"  # noqa: S608
        with tenant_scope(tenant_id), connection.cursor() as cursor:
            cursor.execute(statement, given)
            found = [row[0] for row in cursor.fetchall()]
        for one in found:
            storage.delete_prefix(f"{storage.tenant_key(tenant_id, *folder, str(one))}/")
            if table == "datasets_upload":
                images_remove(tenant_id, one)
            with tenant_scope(tenant_id):
                claimed.keep()


def _batches(claimed: work.Claim[Deletion], table: str, column: str, value: uuid.UUID) -> None:
    """Delete until no row is left whose `column` is `value`, keeping the claim."""
    gone = clearing.BATCH_ROWS
    while gone:
        with tenant_scope(claimed.row.tenant_id):
            claimed.keep()
            gone = clearing.batch_delete(table, claimed.row.tenant_id, column, value)
            if table == "datasets_example":
                rows = Deletion.objects.filter(pk=claimed.row.pk)
                rows.update(done=F("done") + gone)
