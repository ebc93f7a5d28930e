"""A dataset is deleted: what was made from it is listed, its rows and files go, models stay."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from modelyard.core import storage
from modelyard.core.errors import Conflict, Invalid, NotFound
from tenants.models import AuditEvent
from tenants.scoping.context import tenant_scope
from tests.factories import bearer, make_key, make_tenant, make_user, owner_of, signed_in
from tests.factories_datasets import csv_of, import_file, make_dataset, make_version, send_file
from training.datasets import deleted, selectors, services
from training.datasets.models import (
    Dataset,
    DatasetExport,
    DatasetVersion,
    Deletion,
    Example,
    Tally,
    Upload,
    VersionRow,
)
from training.datasets.services import clearing, deletions

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = [(f"sentence {n}", "ab"[n % 2]) for n in range(40)]


def _delete(tenant, dataset, name=None):
    with tenant_scope(tenant.pk):
        return services.dataset_delete(
            actor=owner_of(tenant), dataset_id=dataset.pk, name=name or dataset.name
        )


def _exported(tenant, dataset, version_id):
    with tenant_scope(tenant.pk):
        ordered = services.export_start(
            actor=owner_of(tenant), dataset_id=dataset.pk, name="csv", version_id=version_id
        )
    with tenant_scope(tenant.pk):
        return DatasetExport.objects.get(pk=ordered.pk).storage_key


def test_rows_files_and_versions_go_and_what_is_left_says_what_they_were(monkeypatch):
    monkeypatch.setattr(clearing, "BATCH_ROWS", 7)
    tenant = make_tenant()
    version = make_version(tenant)
    kept = make_dataset(tenant, "kept")
    import_file(tenant, kept, csv_of(ROWS))
    with tenant_scope(tenant.pk):
        dataset = selectors.dataset_get(version.dataset_id)
        uploads = list(Upload.objects.filter(dataset=dataset))
    keys = [version.rows_key, *(upload.storage_key for upload in uploads)]
    keys += [_exported(tenant, dataset, version.pk), _exported(tenant, dataset, None)]
    assert all(storage.facts(key) for key in keys)
    deletion = _delete(tenant, dataset)
    assert not any(storage.facts(key) for key in keys)
    with tenant_scope(tenant.pk):
        assert {row.dataset_id for row in Example.objects.all()} == {kept.pk}
        assert not VersionRow.objects.exists()
        assert not Upload.objects.filter(dataset=dataset).exists()
        assert not Tally.objects.filter(dataset=dataset).exists()
        left = DatasetVersion.objects.get()
        assert (left.status, left.content_hash) == ("deleted", version.content_hash)
        ended = deleted.deletion_get(deletion.pk)
        assert (ended.status, ended.done, ended.total) == ("done", 40, 40)
        with pytest.raises(NotFound):
            selectors.dataset_get(dataset.pk)
        said = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"dataset.deleting", "deletion.done", "version.deleted"} <= said
    assert selectors.example_count(tenant.pk) == 40
    assert make_dataset(tenant, dataset.name).pk != dataset.pk


def test_another_name_or_a_running_import_stops_a_deletion():
    tenant = make_tenant()
    dataset = make_dataset(tenant)
    upload = send_file(owner_of(tenant), dataset, csv_of(ROWS))
    with pytest.raises(Invalid, match="Type “"):
        _delete(tenant, dataset, "something else")
    with tenant_scope(tenant.pk):
        Upload.objects.filter(pk=upload.pk).update(status="importing")
    with pytest.raises(Conflict) as refusal:
        _delete(tenant, dataset)
    assert refusal.value.code == "import_running"
    with tenant_scope(tenant.pk):
        assert selectors.dataset_get(dataset.pk)


def test_a_deletion_whose_worker_died_is_finished_by_the_next(monkeypatch):
    tenant = make_tenant()
    dataset = make_dataset(tenant)
    import_file(tenant, dataset, csv_of(ROWS))

    def die(_claimed):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(deletions, "_files_remove", die)
        with pytest.raises(KeyboardInterrupt):
            _delete(tenant, dataset)
    with tenant_scope(tenant.pk):
        assert Deletion.objects.get().status == "running"
        Deletion.objects.update(lease_until="2020-01-01T00:00:00Z")
    assert services.sweep() == 1
    with tenant_scope(tenant.pk):
        assert Deletion.objects.get().status == "done"
        assert not Example.objects.exists()


def test_a_deletion_that_was_given_up_goes_on_when_asked_to():
    user = make_user()
    tenant = make_tenant(user)
    dataset = make_dataset(tenant)
    import_file(tenant, dataset, csv_of(ROWS))
    with tenant_scope(tenant.pk):
        Dataset.objects.update(deleted_at="2026-01-01T00:00:00Z")
        deletion = Deletion.objects.create(
            dataset=dataset, status="failed", moved_at="2026-01-01T00:00:00Z", total=40
        )
    client = signed_in(user)
    page = client.get(reverse("datasets:list", args=[tenant.slug])).content.decode()
    assert "not all of its rows and files are gone yet" in page
    client.post(reverse("datasets:deletion_retry", args=[tenant.slug, deletion.pk]))
    with tenant_scope(tenant.pk):
        assert Deletion.objects.get().status == "done"
        assert not Example.objects.exists()


def test_every_table_of_a_dataset_is_emptied_and_nothing_else_names_it():
    with connection.cursor() as cursor:
        cursor.execute(
            "select table_name from information_schema.columns where column_name = 'dataset_id'"
        )
        found = {table for (table,) in cursor.fetchall()}
    assert found - {"datasets_datasetversion", "datasets_deletion"} <= set(deletions._tables())


def test_a_dataset_is_deleted_by_api_and_by_page():
    user = make_user()
    tenant = make_tenant(user)
    first, second = make_dataset(tenant, "first"), make_dataset(tenant, "second")
    client, key = Client(), make_key(tenant)
    body = {"content_type": "application/json", **bearer(key)}
    wrong = client.delete(f"/api/v1/datasets/{first.pk}", json.dumps({"name": "no"}), **body)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "name_differs")
    right = client.delete(f"/api/v1/datasets/{first.pk}", json.dumps({"name": "first"}), **body)
    assert right.status_code == 202
    state = client.get(f"/api/v1/deletions/{right.json()['id']}", **bearer(key)).json()
    assert (state["status"], state["dataset_id"]) == ("done", str(first.pk))
    assert client.get(f"/api/v1/datasets/{first.pk}", **bearer(key)).status_code == 404
    person = signed_in(user)
    address = reverse("datasets:delete", args=[tenant.slug, second.pk])
    assert "Nothing was trained on this dataset" in person.get(address).content.decode()
    assert "Type “second”" in person.post(address, {"name": "2nd"}).content.decode()
    assert person.post(address, {"name": "second"}).status_code == 302
    with tenant_scope(tenant.pk):
        assert selectors.dataset_count() == 0
