"""Exports: ordered, written by a job, counted, downloaded, and imported again."""

from __future__ import annotations

import csv
import io
import json
import uuid

import httpx2
import pytest
from django.test import Client

from tenants.scoping.context import tenant_scope
from tests.factories import bearer, make_key, make_tenant, make_user, owner_of, signed_in
from tests.factories_datasets import import_file, make_dataset, make_version
from training.datasets import selectors
from training.datasets.formats import FORMATS
from training.datasets.models import DatasetExport, Example

pytestmark = pytest.mark.django_db(transaction=True)

TABLE = (
    "id,review,mood\r\n7,=1+1 is bad,neg\r\n8,\"two\nlines, 中文 😀\",pos\r\n9,fine,\r\n"
).encode()  # fmt: skip


def address(export):
    return f"datasets/{export['dataset_id']}/exports/{export['id']}"


class Api:
    """A customer's program."""

    def __init__(self, tenant):
        self.client, self.auth = Client(), bearer(make_key(tenant))

    def post(self, path, body):
        return self.client.post(
            f"/api/v1/{path}", json.dumps(body), "application/json", **self.auth
        )

    def get(self, path):
        return self.client.get(f"/api/v1/{path}", **self.auth)

    def export(self, dataset, name, **more):
        made = self.post(f"datasets/{dataset.pk}/exports", {"format": name, **more})
        assert made.status_code == 201, made.content
        return self.get(f"datasets/{dataset.pk}/exports/{made.json()['id']}").json()

    def file(self, export):
        return httpx2.get(self.get(address(export) + "/file").url).content


def stored(tenant, dataset):
    with tenant_scope(tenant.pk):
        rows = Example.live.filter(dataset=dataset.pk).order_by("line")
        return [(row.text, row.label, row.data.get("fields")) for row in rows]


def test_a_dataset_goes_out_as_it_came_in_and_comes_in_again():
    tenant = make_tenant()
    dataset, api = make_dataset(tenant), Api(tenant)
    upload = import_file(tenant, dataset, TABLE, text="review", label="mood")
    assert upload.rows_added == 3
    assert stored(tenant, dataset)[0] == ("=1+1 is bad", "neg", {"id": "7"})
    export = api.export(dataset, "csv")
    assert (export["status"], export["rows"], len(export["sha256"])) == ("done", 3, 64)
    content = api.file(export)
    written = [*csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))]
    assert written[0] == ["id", "review", "mood", "modelyard_guarded"]
    assert written[1] == ["7", "'=1+1 is bad", "neg", "2"]
    other = make_dataset(tenant)
    import_file(tenant, other, content, text="review", label="mood")
    assert stored(tenant, other) == stored(tenant, dataset)


def test_every_format_is_written_with_every_row():
    tenant = make_tenant()
    dataset, api = make_dataset(tenant), Api(tenant)
    import_file(tenant, dataset, b"text,label\ngood film,pos\ndull film,neg\n")
    for name in FORMATS:
        export = api.export(dataset, name)
        assert (export["status"], export["rows"]) == ("done", 2), name
        assert export["bytes"] == len(api.file(export))


def test_a_frozen_version_goes_out_with_its_splits():
    tenant = make_tenant()
    version, api = make_version(tenant), Api(tenant)
    with tenant_scope(tenant.pk):
        dataset = selectors.dataset_get(version.dataset_id)
    export = api.export(dataset, "vertex", version_id=str(version.pk))
    rows = [*csv.reader(io.StringIO(api.file(export).decode(), newline=""))]
    uses = [row[0] for row in rows]
    assert len(rows) == version.rows == export["rows"]
    assert uses.count("TRAINING") == version.split_counts["train"]
    assert uses.count("TEST") == version.split_counts["test"]


def test_an_export_that_a_format_can_not_hold_fails_with_a_sentence():
    tenant = make_tenant()
    dataset, api = make_dataset(tenant), Api(tenant)
    import_file(tenant, dataset, b'text,label\n"two\nlines",pos\n')
    export = api.export(dataset, "txt")
    assert (export["status"], export["error"]["code"]) == ("failed", "txt_line_break")
    assert "row 1 has a line break" in export["error"]["detail"]
    refused = api.get(address(export) + "/file")
    assert (refused.status_code, refused.json()["code"]) == (409, "export_not_done")


def test_exports_are_refused_where_there_is_nothing_or_nobody_may():
    tenant, stranger = make_tenant(), make_tenant()
    dataset, api = make_dataset(tenant), Api(tenant)
    empty = api.post(f"datasets/{dataset.pk}/exports", {"format": "csv"})
    assert (empty.status_code, empty.json()["code"]) == (422, "no_rows")
    assert api.post(f"datasets/{dataset.pk}/exports", {"format": "exe"}).status_code == 422
    import_file(tenant, dataset, TABLE, text="review", label="mood")
    export = api.export(dataset, "jsonl")
    for path in (address(export), address(export) + "/file"):
        assert Api(stranger).get(path).status_code == 404
    with tenant_scope(tenant.pk):
        assert DatasetExport.objects.get().actor.startswith("key:")


def test_exports_are_ordered_and_downloaded_by_pages():
    user = make_user()
    tenant = make_tenant(user)
    dataset, browser = make_dataset(tenant), signed_in(user)
    import_file(tenant, dataset, TABLE, text="review", label="mood")
    home = f"/t/{tenant.slug}/datasets/{dataset.pk}/exports"
    assert "Nothing exported yet." in browser.get(home).content.decode()
    page = browser.post(f"{home}/start", {"format": "xlsx"}, follow=True).content.decode()
    assert ".xlsx" in page
    with tenant_scope(tenant.pk):
        export = DatasetExport.objects.get()
    assert browser.get(f"{home}/{export.pk}/file").status_code == 302
    assert browser.get(f"{home}/{uuid.uuid4()}/file").status_code == 404
    wrong = browser.post(f"{home}/start", {"format": "csv", "version": "x"}, follow=True)
    assert "There is no such version" in wrong.content.decode()
    assert owner_of(tenant)
