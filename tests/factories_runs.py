"""Factories of runs: a frozen dataset version with its rows in S3, a tiny base model, orders."""

from __future__ import annotations

import random
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from modelyard.core import clock, storage
from tenants.models import Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import owner_of
from training.datasets.models import Dataset, DatasetVersion
from training.jobs import services
from training.jobs.models import Run, RunEvent

GOOD = ("good", "fine", "great", "lovely", "superb")
BAD = ("bad", "poor", "awful", "dull", "weak")
FILLERS = ("the", "film", "was", "really", "quite", "a", "very", "plot", "story", "cast")
BASE = "tiny"
SPEC: dict[str, Any] = {
    "base": BASE,
    "epochs": 2,
    "batch_size": 16,
    "max_length": 16,
    "learning_rate": 5e-3,
    "freeze_embeddings": False,
}


def make_rows(
    count: int = 120, *, labels: tuple[str, str] = ("good", "bad")
) -> list[dict[str, str]]:
    """Make rows that a tiny model can learn, split 80/10/10."""
    chance = random.Random(7)
    rows = []
    for number in range(count):
        words = GOOD if number % 2 else BAD
        text = " ".join([*chance.sample(FILLERS, 4), chance.choice(words), f"w{number}"])
        split = {8: "validation", 9: "test"}.get((number // 2) % 10, "train")
        label = labels[0] if number % 2 else labels[1]
        rows.append(
            {"id": str(number), "text": text, "label": label, "split": split, "line": str(number)}
        )
    return rows


def make_frozen_version(
    tenant: Tenant, rows: list[dict[str, str]] | None = None, *, folder: Path
) -> DatasetVersion:
    """Make a frozen dataset version whose rows lie in S3."""
    rows = make_rows() if rows is None else rows
    path = folder / f"{uuid.uuid4().hex}.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    key = storage.tenant_key(tenant.pk, "datasets", uuid.uuid4().hex, "rows.parquet")
    storage.put_file(key, path)
    splits = {
        name: sum(row["split"] == name for row in rows) for name in ("train", "validation", "test")
    }
    with tenant_scope(tenant.pk):
        dataset = Dataset.objects.create(name=f"reviews {uuid.uuid4().hex[:6]}")
        return DatasetVersion.objects.create(
            dataset=dataset,
            number=1,
            status="frozen",
            moved_at=clock.now(),
            frozen_at=clock.now(),
            shares=[0.8, 0.1, 0.1],
            rows=len(rows),
            split_counts=splits,
            label_counts={},
            rows_key=key,
        )


def submit(
    tenant: Tenant, version: DatasetVersion, *, model_name: str = "reviews", **spec: Any
) -> Run:
    """Order a run with the tiny base; where tasks run at once it has ended when this returns."""
    run = services.run_submit(
        actor=owner_of(tenant),
        dataset_version_id=version.pk,
        model_name=model_name,
        preset="quick",
        spec={**SPEC, **spec},
    )
    return reload(tenant, run)


def reload(tenant: Tenant, run: Run) -> Run:
    """Read the run again."""
    with tenant_scope(tenant.pk):
        return Run.objects.get(pk=run.pk)


def kinds(tenant: Tenant, run: Run) -> list[str]:
    """Return the kinds of a run's events, states with their status."""
    with tenant_scope(tenant.pk):
        rows = list(RunEvent.objects.filter(run=run).order_by("seq"))
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    return [
        f"{row.kind}:{row.payload['status']}" if row.kind == "state" else row.kind for row in rows
    ]


def make_tiny_base(folder: Path) -> Path:
    """Write a random BERT of 2 layers and 32 dimensions that knows the words of `make_rows`."""
    from tests.engine.tiny_model import make_tiny_bert  # torch, for those who train only

    return make_tiny_bert(folder, (row["text"] for row in make_rows()))
