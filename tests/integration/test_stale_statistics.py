"""Statements stay linear over rows that came since PostgreSQL last analysed their table.

A first import is always like that: the planner expects one row of the new workspace.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import pytest
from django.db import connection

from billing import plans
from billing.models import LimitOverride
from modelyard.core import clock
from tenants.scoping.context import tenant_scope
from tests.factories import make_tenant, owner_of
from tests.factories_datasets import csv_of, freeze, import_file, make_dataset
from training.datasets import checking, finding, services
from training.datasets.models import Check, Dataset, Example, Flag, VersionRow

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = 3_000
# Reads that a row may cost, with its indexes, triggers and cascades. Rows against rows would be
# over a thousand.
EACH = 60


@pytest.fixture
def unanalysed() -> Iterator[None]:
    """Leave the statistics of an almost empty database in place, whatever comes."""
    for _each in range(5):
        tenant = make_tenant()
        import_file(tenant, make_dataset(tenant), csv_of((f"s {n}", "ab"[n % 2]) for n in range(9)))
    address = os.environ["TEST_DATABASE_URL"].rsplit("/", 1)[0]
    owner = psycopg2.connect(f"{address}/{connection.settings_dict['NAME']}")
    owner.autocommit = True
    tables = ("datasets_example", "datasets_versionrow", "datasets_searchrow", "datasets_flag")
    with owner.cursor() as cursor:
        for table in tables:
            cursor.execute(f"alter table {table} set (autovacuum_enabled = off)")
            cursor.execute(f"analyze {table}")
        yield
        for table in tables:
            cursor.execute(f"alter table {table} reset (autovacuum_enabled)")
    owner.close()


def reads() -> int:
    """Return how many rows were read so far, by index and by scan, in all tables."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_stat_force_next_flush()")
        cursor.execute("select 1")
        cursor.execute(
            "select sum(coalesce(idx_tup_fetch, 0) + seq_tup_read) from pg_stat_user_tables"
        )
        return int(cursor.fetchone()[0])


@contextmanager
def linear(rows: int = ROWS) -> Iterator[None]:
    """Check that what is done inside reads no more than `EACH` rows per row."""
    before = reads()
    yield
    assert 0 < reads() - before < EACH * rows


def rows_of(count: int) -> bytes:
    return csv_of((f"sentence {n}", "ab"[n % 2]) for n in range(count))


def flag(dataset: Dataset) -> None:
    """Have a check point at every row."""
    now = clock.now()
    check = Check.objects.create(
        dataset=dataset, kind="lengths", status="done", moved_at=now, asked_at=now,
        mark=checking.rows_mark(dataset.pk), result={"rows": ROWS},
    )  # fmt: skip
    rows = Example.live.values_list("pk", flat=True)
    Flag.objects.bulk_create(Flag(source=check, example_id=row) for row in rows)


def test_a_large_file_over_the_plan_is_taken_out_again(unanalysed: None) -> None:
    tenant = make_tenant()
    dataset = make_dataset(tenant)
    with tenant_scope(tenant.pk):
        LimitOverride.objects.create(limit=plans.EXAMPLES, value=ROWS, reason="a test", by="op")
    with linear():
        upload = import_file(tenant, dataset, rows_of(ROWS + 1))
    assert upload.error_code == "quota_exceeded"
    with tenant_scope(tenant.pk):
        assert not Example.objects.exists()


def test_a_large_dataset_is_changed_labelled_frozen_and_deleted(unanalysed: None) -> None:
    tenant = make_tenant()
    dataset = make_dataset(tenant)
    import_file(tenant, dataset, rows_of(ROWS))
    actor = owner_of(tenant)
    with linear(), tenant_scope(tenant.pk):
        services.change_start(
            actor=actor,
            dataset_id=dataset.pk,
            kind="tag",
            params={"selection": {"filters": {}}, "tag": "new"},
        )
    with linear(), tenant_scope(tenant.pk):
        wanted = dict.fromkeys(Example.live.values_list("pk", flat=True), "a")
        labelled = services.labels_apply(actor=actor, dataset_id=dataset.pk, labels=wanted)
        assert labelled["corrected"] == ROWS // 2
        services.labels_apply(
            actor=actor, dataset_id=dataset.pk, labels=dict.fromkeys(list(wanted)[::2], "b")
        )
    with linear(), tenant_scope(tenant.pk):
        flag(dataset)
        place = finding.Place()
        filters = {"flagged": "lengths", "label": "a"}
        while page := finding.page_of(dataset.pk, filters, place).next:
            place = finding.Place(after=page)
    with linear(), tenant_scope(tenant.pk):
        params = {"selection": {"filters": {"flagged": "lengths"}}, "tag": "long"}
        services.change_start(actor=actor, dataset_id=dataset.pk, kind="tag", params=params)
    with tenant_scope(tenant.pk):
        assert Example.live.filter(tags__contains=["long"]).count() == ROWS
    with linear():
        version = freeze(tenant, dataset.pk)
        assert version.status == "frozen"
    with linear(), tenant_scope(tenant.pk):
        services.version_delete(actor=actor, version_id=version.pk, name=f"{dataset.name} v1")
    with linear(), tenant_scope(tenant.pk):
        services.dataset_delete(actor=actor, dataset_id=dataset.pk, name=dataset.name)
    with tenant_scope(tenant.pk):
        assert not Example.objects.exists()
        assert not VersionRow.objects.exists()
