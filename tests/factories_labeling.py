"""Labelling projects for tests, over rows that were imported like a customer's."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Sequence

from tenants.models import Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import owner_of
from tests.factories_datasets import import_file, make_dataset
from training.datasets.models import Dataset
from training.labeling import services
from training.labeling.models import Project

LABELS = ("good", "bad")


def unlabelled_rows(tenant: Tenant, count: int) -> Dataset:
    """Make a dataset of `count` rows without labels."""
    dataset = make_dataset(tenant)
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(["text"])
    writer.writerows([f"the film number {n} was quite something"] for n in range(count))
    import_file(tenant, dataset, stream.getvalue().encode(), label=None)
    return dataset


def make_project(
    tenant: Tenant,
    dataset_id: uuid.UUID,
    *,
    name: str = "queue",
    labels: Sequence[str] = LABELS,
    labelled_too: bool = False,
) -> Project:
    """Make a project over a dataset."""
    with tenant_scope(tenant.pk):
        return services.project_create(
            actor=owner_of(tenant),
            dataset_id=dataset_id,
            name=name,
            labels=labels,
            labelled_too=labelled_too,
        )
