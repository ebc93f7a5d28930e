"""Freezing: the labelled rows of a moment become an immutable, split, content-hashed version."""

from __future__ import annotations

import datetime as dt
import hashlib
import statistics
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings
from django.db.models import F, Max, Q
from django.utils.translation import gettext as _

from modelyard.core import clock, live, queue, storage
from modelyard.core.errors import Conflict, Invalid
from tenants import access, audit
from tenants.access import Actor
from tenants.scoping.context import tenant_scope
from training.datasets import selectors, splits
from training.datasets.models import Dataset, DatasetVersion, Example, VersionRow
from training.datasets.services.changes import refuse_while_changing
from training.datasets.splits import Member, Shares
from training.datasets.states import SPLITS, VERSION

MAX_ATTEMPTS = 3
MAX_SEED = 2**31 - 1
DEFAULT_SHARES: Shares = (0.8, 0.1, 0.1)
_CHUNK_ROWS = 2_000
_SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "text": pa.string(),
        "label": pa.string(),
        "split": pa.string(),
        "line": pa.int32(),
    }
)
Status = DatasetVersion.Status


def version_freeze(
    *, actor: Actor, dataset_id: uuid.UUID, seed: int = 0, shares: Sequence[float] = DEFAULT_SHARES
) -> DatasetVersion:
    """Start a new version of the labelled rows; needs an open scope. A task writes its rows.

    Raises:
        Invalid: `no_labelled_rows`, `one_label`, `label_too_small`, `too_few_rows`,
            `shares_wrong`, `seed_wrong`.
        Conflict: `import_running`, `change_running`, `freeze_running`.
        NotFound: No such dataset.
    """
    access.require(actor, "data.write")
    dataset = selectors.dataset_get(dataset_id)
    wanted = _checked_shares(shares)
    if not 0 <= seed <= MAX_SEED:
        raise Invalid(_("The seed is a whole number from 0 to 2147483647."), code="seed_wrong")
    Dataset.objects.select_for_update().get(pk=dataset.pk)
    refuse_while_moving(dataset)
    _refuse_unlearnable(selectors.distinct_texts(dataset.pk), wanted)
    last = DatasetVersion.objects.filter(dataset=dataset).aggregate(n=Max("number"))["n"] or 0
    version = DatasetVersion.objects.create(
        dataset=dataset, number=last + 1, seed=seed, shares=wanted, moved_at=clock.now()
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
    small = sorted(label for label, n in texts.items() if n < splits.MIN_TEXTS)
    if small:
        raise Invalid(
            _(
                "Each label needs %(least)d different texts or more. Too few of: %(labels)s. "
                "Add examples of them, or leave them out."
            )
            % {"least": splits.MIN_TEXTS, "labels": ", ".join(small[:20])},
            code="label_too_small",
            labels=small[:200],
        )
    parts = [splits.sizes(n, shares) for n in texts.values()]
    if not all(sum(part[index] for part in parts) for index in range(3)):
        raise Invalid(
            _(
                "There are too few rows to train, validate and test on different ones. "
                "Have 4 different texts or more for at least one label."
            ),
            code="too_few_rows",
        )


def freeze_run(*, tenant_id: uuid.UUID, version_id: uuid.UUID) -> None:
    """Write the rows of a freezing version, unless somebody does; delivered twice, done once."""
    version = _claim(tenant_id, version_id)
    if version is None:
        return
    where = _split_of_groups(version)
    with tempfile.TemporaryDirectory(prefix="modelyard-freeze-") as folder:
        path = Path(folder) / "rows.parquet"
        facts = _write(version, where, path)
        key = storage.tenant_key(tenant_id, "datasets", str(version.pk), "rows.parquet")
        storage.put_file(key, path)
    with tenant_scope(tenant_id):
        rows = DatasetVersion.objects.filter(pk=version.pk, attempt=version.attempt)
        fields = {**facts, "rows_key": key, "lease_until": None, "frozen_at": clock.now()}
        if VERSION.advance(rows, Status.FROZEN, moved_at=clock.now(), **fields):
            audit.record(
                access.system(tenant_id), "version.frozen", version, content=facts["content_hash"]
            )
            live.publish(f"version:{version.pk}")


def _lease_end() -> dt.datetime:
    return clock.now() + dt.timedelta(seconds=settings.RUN_LEASE_SECONDS)


def _claim(tenant_id: uuid.UUID, version_id: uuid.UUID) -> DatasetVersion | None:
    with tenant_scope(tenant_id):
        free = Q(lease_until=None) | Q(lease_until__lt=clock.now())
        rows = DatasetVersion.objects.filter(free, pk=version_id, status=Status.FREEZING)
        if not rows.update(attempt=F("attempt") + 1, lease_until=_lease_end()):
            return None
        version: DatasetVersion = DatasetVersion.objects.get(pk=version_id)
        if version.attempt > MAX_ATTEMPTS:
            fields = {"error_code": "freeze_lost", "moved_at": clock.now()}
            VERSION.advance(DatasetVersion.objects.filter(pk=version_id), Status.FAILED, **fields)
            audit.record(access.system(tenant_id), "version.failed", version)
            return None
        VersionRow.objects.filter(version=version).delete()
    return version


def _chunks(version: DatasetVersion) -> Iterator[list[Example]]:
    """Yield the labelled examples in the order of their content, each chunk in a short scope."""
    last = ""
    while True:
        with tenant_scope(version.tenant_id):
            DatasetVersion.objects.filter(pk=version.pk, attempt=version.attempt).update(
                lease_until=_lease_end()
            )
            rows = Example.live.filter(
                dataset=version.dataset_id, label__isnull=False, content_hash__gt=last
            )
            chunk = list(rows.order_by("content_hash")[:_CHUNK_ROWS])
        if not chunk:
            return
        yield chunk
        last = chunk[-1].content_hash


def _split_of_groups(version: DatasetVersion) -> dict[str, str]:
    members = (
        Member(row.content_hash, row.group_hash, row.label or "")
        for chunk in _chunks(version)
        for row in chunk
    )
    train, validation, test = version.shares
    return splits.assign(members, seed=version.seed, shares=(train, validation, test))


def _write(version: DatasetVersion, where: dict[str, str], path: Path) -> dict[str, Any]:
    """Write the Parquet file and the version's rows; return what the version's row keeps."""
    digest = hashlib.sha256()
    labels: Counter[str] = Counter()
    counts: Counter[str] = Counter(dict.fromkeys(SPLITS, 0))
    lengths: list[int] = []
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        for chunk in _chunks(version):
            placed = [where[row.group_hash] for row in chunk]
            writer.write_table(_table(chunk, placed))
            for row, split in zip(chunk, placed, strict=True):
                digest.update(f"{row.content_hash}:{split}\n".encode())
                labels[row.label or ""] += 1
                counts[split] += 1
                lengths.append(len(row.text))
            with tenant_scope(version.tenant_id):
                VersionRow.objects.bulk_create(
                    [
                        VersionRow(version=version, example=row, split=split)
                        for row, split in zip(chunk, placed, strict=True)
                    ],
                    batch_size=1_000,
                )
    return {
        "content_hash": digest.hexdigest(),
        "rows": sum(labels.values()),
        "label_counts": dict(sorted(labels.items())),
        "split_counts": dict(counts),
        "text_stats": _length_stats(lengths),
    }


def _table(chunk: Sequence[Example], placed: Sequence[str]) -> pa.Table:
    columns = [
        [str(row.pk) for row in chunk],
        [row.text for row in chunk],
        [row.label for row in chunk],
        list(placed),
        [row.line for row in chunk],
    ]
    return pa.table(columns, schema=_SCHEMA)


def _length_stats(lengths: list[int]) -> dict[str, float]:
    """Return characters a text: least, median, mean, 95th percentile, most."""
    ordered = sorted(lengths)
    return {
        "min": ordered[0],
        "median": statistics.median(ordered),
        "mean": round(statistics.fmean(ordered), 1),
        "p95": ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)],
        "max": ordered[-1],
    }
