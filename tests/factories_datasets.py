"""Datasets for tests, made the way a customer makes them: upload, import, freeze."""

from __future__ import annotations

import csv
import io
import itertools
import uuid
from collections.abc import Iterable
from typing import Any

import httpx2

from tenants.access import Actor
from tenants.models import Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import owner_of
from training.datasets import services
from training.datasets.models import Dataset, DatasetVersion, Example, Upload

_count = itertools.count(1)


def make_dataset(tenant: Tenant, name: str = "") -> Dataset:
    """Make an empty dataset."""
    with tenant_scope(tenant.pk):
        return services.dataset_create(
            actor=owner_of(tenant), name=name or f"tickets {next(_count)}"
        )


def csv_of(rows: Iterable[tuple[str, str]]) -> bytes:
    """Return a CSV file with the columns text and label."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(["text", "label"])
    writer.writerows(rows)
    return stream.getvalue().encode()


def send_file(actor: Actor, dataset: Dataset, content: bytes, filename: str = "a.csv") -> Upload:
    """Upload a file as a browser does; tasks run at once, so it has been looked at after."""
    upload = services.upload_start(
        actor=actor, dataset_id=dataset.pk, filename=filename, size=len(content)
    )
    for part in services.upload_parts(actor=actor, upload=upload):
        begin = (part.number - 1) * 8 * 1024**2
        httpx2.put(part.url, content=content[begin : begin + 8 * 1024**2]).raise_for_status()
    upload = services.upload_finish(actor=actor, upload_id=upload.pk)
    return again(upload)


def again(upload: Upload) -> Upload:
    """Return the upload as it is now."""
    with tenant_scope(upload.tenant_id):
        return Upload.objects.select_related("dataset").get(pk=upload.pk)


def import_file(
    tenant: Tenant,
    dataset: Dataset,
    content: bytes,
    filename: str = "a.csv",
    *,
    text: str = "text",
    label: str | None = "label",
) -> Upload:
    """Upload and import a file; return the upload as it ended."""
    actor = owner_of(tenant)
    upload = send_file(actor, dataset, content, filename)
    with tenant_scope(tenant.pk):
        services.import_start(actor=actor, upload_id=upload.pk, text=text, label=label)
    return again(upload)


def freeze(tenant: Tenant, dataset_id: uuid.UUID, seed: int = 0, **options: Any) -> DatasetVersion:
    """Freeze a version and return it as it ended; only equal texts are grouped by default."""
    options.setdefault("grouping", {"by": "exact"})
    with tenant_scope(tenant.pk):
        version = services.version_freeze(
            actor=owner_of(tenant), dataset_id=dataset_id, seed=seed, **options
        )
    with tenant_scope(tenant.pk):
        return DatasetVersion.objects.get(pk=version.pk)


def make_version(tenant: Tenant, rows: Iterable[tuple[str, str]] | None = None) -> DatasetVersion:
    """Make a frozen version of (text, label) rows; 40 rows of two labels by default."""
    if rows is None:
        kinds = {"good": "a fine and lovely film", "bad": "a dull and tedious film"}
        rows = [(f"{text}, scene {n}", label) for label, text in kinds.items() for n in range(20)]
    dataset = make_dataset(tenant)
    import_file(tenant, dataset, csv_of(rows))
    return freeze(tenant, dataset.pk)


def first_rows(dataset_id: uuid.UUID, count: int = 20) -> list[Example]:
    """Return the first live rows in the order of the files; needs an open scope."""
    return list(Example.live.filter(dataset=dataset_id).order_by("pk")[:count])
