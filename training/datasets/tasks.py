"""Doorbells of the datasets: each says what to do by id; the rows say whether it is still due."""

from __future__ import annotations

import uuid

from celery import shared_task

from tenants.scoping.task import SystemTask, TenantTask
from training.datasets import services


@shared_task(name="datasets.inspect", base=TenantTask, queue="imports")
def inspect(*, tenant_id: str, upload_id: str) -> None:
    """Look at a received file."""
    services.inspect_run(tenant_id=uuid.UUID(tenant_id), upload_id=uuid.UUID(upload_id))


@shared_task(name="datasets.import", base=TenantTask, queue="imports")
def import_file(*, tenant_id: str, upload_id: str) -> None:
    """Import a mapped file."""
    services.import_run(tenant_id=uuid.UUID(tenant_id), upload_id=uuid.UUID(upload_id))


@shared_task(name="datasets.clear_upload", base=TenantTask, queue="imports")
def clear_upload(*, tenant_id: str, upload_id: str) -> None:
    """Take out the rows of a stopped upload."""
    services.rows_clear(tenant_id=uuid.UUID(tenant_id), upload_id=uuid.UUID(upload_id))


@shared_task(name="datasets.delete", base=TenantTask, queue="imports")
def delete(*, tenant_id: str, deletion_id: str) -> None:
    """Take a deleted dataset apart."""
    services.deletion_run(tenant_id=uuid.UUID(tenant_id), deletion_id=uuid.UUID(deletion_id))


@shared_task(name="datasets.freeze", base=TenantTask, queue="imports")
def freeze(*, tenant_id: str, version_id: str) -> None:
    """Write the rows of a freezing version."""
    # With numpy, which only workers have.
    from training.datasets.services.freezing import freeze_run

    freeze_run(tenant_id=uuid.UUID(tenant_id), version_id=uuid.UUID(version_id))


@shared_task(name="datasets.clear", base=TenantTask, queue="imports")
def clear(*, tenant_id: str, version_id: str) -> None:
    """Remove what a deleted or cancelled version leaves."""
    services.clear_run(tenant_id=uuid.UUID(tenant_id), version_id=uuid.UUID(version_id))


@shared_task(name="datasets.compare", base=TenantTask, queue="imports")
def compare(*, tenant_id: str, comparison_id: str) -> None:
    """Compare two versions."""
    services.compare_run(tenant_id=uuid.UUID(tenant_id), comparison_id=uuid.UUID(comparison_id))


@shared_task(name="datasets.change", base=TenantTask, queue="imports")
def change(*, tenant_id: str, change_id: str) -> None:
    """Apply or undo a change of rows."""
    services.change_run(tenant_id=uuid.UUID(tenant_id), change_id=uuid.UUID(change_id))


@shared_task(name="datasets.search", base=TenantTask, queue="imports")
def search(*, tenant_id: str, index_id: str) -> None:
    """Make new rows searchable."""
    services.search_run(tenant_id=uuid.UUID(tenant_id), index_id=uuid.UUID(index_id))


@shared_task(name="datasets.pull", base=TenantTask, queue="imports")
def pull(*, tenant_id: str, pull_id: str) -> None:
    """Run a connector's pull."""
    services.pull_run(tenant_id=uuid.UUID(tenant_id), pull_id=uuid.UUID(pull_id))


@shared_task(name="datasets.go_on", base=TenantTask, queue="imports")
def go_on(*, tenant_id: str, upload_id: str) -> None:
    """Import an upload of a pull whose columns are known."""
    services.upload_go_on(tenant_id=uuid.UUID(tenant_id), upload_id=uuid.UUID(upload_id))


@shared_task(name="datasets.mapped", base=TenantTask, queue="imports")
def mapped(*, tenant_id: str, upload_id: str) -> None:
    """Have the other files of a connector go on that wait for the columns of this one."""
    services.uploads_like_go_on(tenant_id=uuid.UUID(tenant_id), upload_id=uuid.UUID(upload_id))


@shared_task(name="datasets.pulls_due", base=SystemTask, queue="system")
def pulls_due() -> None:
    """Start the pulls whose time has come."""
    services.pulls_due()
    services.uploads_go_on()


@shared_task(name="datasets.export", base=TenantTask, queue="imports")
def export(*, tenant_id: str, rows_export_id: str) -> None:
    """Write an export's file."""
    services.export_run(tenant_id=uuid.UUID(tenant_id), rows_export_id=uuid.UUID(rows_export_id))


@shared_task(name="datasets.check", base=TenantTask, queue="imports")
def check(*, tenant_id: str, check_id: str) -> None:
    """Run a check of a dataset's health."""
    services.check_run(tenant_id=uuid.UUID(tenant_id), check_id=uuid.UUID(check_id))


@shared_task(name="datasets.map", base=TenantTask, queue="training")
def make_map(*, tenant_id: str, map_id: str) -> None:
    """Make a dataset's map, where the base model is: workers of imports may lack it."""
    services.map_run(tenant_id=uuid.UUID(tenant_id), map_id=uuid.UUID(map_id))


@shared_task(name="datasets.sweep", base=SystemTask, queue="system")
def sweep() -> None:
    """Ring again for what was lost."""
    services.sweep()


@shared_task(name="datasets.sweep_parts", base=SystemTask, queue="system")
def sweep_parts() -> None:
    """Throw away parts that no upload speaks of."""
    services.multiparts_sweep()
