"""The job that freezes: one pass draws the splits, another writes, a third proves what was written.

All memory grows by some 100 bytes a row; a million rows stay well under 500 MB.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import tempfile
import uuid
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings
from django.db import connection
from django.db.models import F, Q
from numpy.typing import NDArray

from modelyard.core import clock, live, storage
from tenants import access, audit
from tenants.scoping.context import tenant_scope
from training.datasets import splits
from training.datasets.augment.rows import texts_from
from training.datasets.augment.spec import AugmentSpec
from training.datasets.hashes import content_hash, group_hash
from training.datasets.models import DatasetVersion, Example, VersionRow
from training.datasets.proof import SCHEMA, FreezeRefused, prove, text_key
from training.datasets.states import SPLITS, VERSION

MAX_ATTEMPTS = 3
_CHUNK_ROWS = 2_000
_INSERT = """
insert into datasets_versionrow (id, tenant_id, created_at, version_id, example_id, split)
select gen_random_uuid(), %s, now(), %s, given.id, given.split
from unnest(%s::uuid[], %s::text[]) as given (id, split)
"""
Status = DatasetVersion.Status


class FreezeLost(Exception):
    """It was cancelled, or another worker has it."""


@dataclass(frozen=True)
class Plan:
    """Where each row goes, in the order of content hashes.

    Attributes:
        groups: Of each row.
        names: Of each group.
        placed: Split of each group, a position in `SPLITS`.
        texts: Sorted first 8 bytes of each real text's hash.
        seen: SHA-256 over the content hashes, in their order: the second pass must see the same.
    """

    groups: NDArray[np.int64]
    names: NDArray[np.uint64]
    placed: NDArray[np.int8]
    texts: NDArray[np.uint64]
    seen: str


def freeze_run(*, tenant_id: uuid.UUID, version_id: uuid.UUID) -> None:
    """Write the rows of a freezing version, unless somebody does; delivered twice, done once."""
    version = _claim(tenant_id, version_id)
    if version is None:
        return
    try:
        _freeze(version)
    except FreezeLost:
        return
    except FreezeRefused as refusal:
        _fail(version, refusal.code, refusal.data)


def _freeze(version: DatasetVersion) -> None:
    plan = _Gathering(version).plan()
    with tempfile.TemporaryDirectory(prefix="modelyard-freeze-") as folder:
        path = Path(folder) / "rows.parquet"
        facts = _Writing(version, plan).write(path)
        prove(path)
        _keep(version, done=version.total)
        place = ("datasets", str(version.pk), str(version.attempt), "rows.parquet")
        key = storage.tenant_key(version.tenant_id, *place)
        storage.put_file(key, path)
    with tenant_scope(version.tenant_id):
        rows = DatasetVersion.objects.filter(pk=version.pk, attempt=version.attempt)
        fields = {**facts, "rows_key": key, "lease_until": None, "frozen_at": clock.now()}
        if VERSION.advance(rows, Status.FROZEN, moved_at=clock.now(), **fields):
            audit.record(
                access.system(version.tenant_id),
                "version.frozen",
                version,
                content=facts["content_hash"],
            )
            live.publish(f"version:{version.pk}")
            return
    storage.delete(key)  # Stopped while the file was on its way.


def _lease_end() -> dt.datetime:
    return clock.now() + dt.timedelta(seconds=settings.RUN_LEASE_SECONDS)


def _claim(tenant_id: uuid.UUID, version_id: uuid.UUID) -> DatasetVersion | None:
    with tenant_scope(tenant_id):
        free = Q(lease_until=None) | Q(lease_until__lt=clock.now())
        rows = DatasetVersion.objects.filter(free, pk=version_id, status=Status.FREEZING)
        fields = {"lease_until": _lease_end(), "started_at": clock.now(), "done": 0}
        if not rows.update(attempt=F("attempt") + 1, **fields):
            return None
        version: DatasetVersion = DatasetVersion.objects.get(pk=version_id)
        labelled = Example.live.filter(dataset=version.dataset_id, label__isnull=False)
        version.total = 2 * labelled.count()
        DatasetVersion.objects.filter(pk=version_id).update(total=version.total)
        VersionRow.objects.filter(version=version).delete()
    if version.attempt > MAX_ATTEMPTS:
        _fail(version, "freeze_lost", {})
        return None
    return version


def _fail(version: DatasetVersion, code: str, data: dict[str, Any]) -> None:
    with tenant_scope(version.tenant_id):
        rows = DatasetVersion.objects.filter(pk=version.pk, attempt=version.attempt)
        fields = {"error_code": code, "error_data": data, "lease_until": None}
        if VERSION.advance(rows, Status.FAILED, moved_at=clock.now(), **fields):
            VersionRow.objects.filter(version=version).delete()
            audit.record(access.system(version.tenant_id), "version.failed", version, code=code)
            live.publish(f"version:{version.pk}")


def _renew(version: DatasetVersion, **fields: object) -> None:
    """Renew the lease inside an open scope; the row stays locked until it closes."""
    rows = DatasetVersion.objects.filter(
        pk=version.pk, attempt=version.attempt, status=Status.FREEZING
    )
    if not rows.update(lease_until=_lease_end(), **fields):
        raise FreezeLost
    live.publish(f"version:{version.pk}")


def _keep(version: DatasetVersion, **fields: object) -> None:
    with tenant_scope(version.tenant_id):
        _renew(version, **fields)


def _chunks(version: DatasetVersion, done: int) -> Iterator[list[Example]]:
    """Yield the labelled examples in the order of their content, each chunk in a short scope."""
    last = ""
    while True:
        with tenant_scope(version.tenant_id):
            _renew(version, done=done)
            rows = Example.live.filter(
                dataset=version.dataset_id, label__isnull=False, content_hash__gt=last
            )
            chunk = list(rows.order_by("content_hash")[:_CHUNK_ROWS])
        if not chunk:
            return
        yield chunk
        done += len(chunk)
        last = chunk[-1].content_hash


class _Gathering:
    """The first pass: what splitting needs to know of each row."""

    def __init__(self, version: DatasetVersion) -> None:
        """Start with no row."""
        self.version = version
        self.by = version.grouping.get("by", "exact")
        self.field = version.grouping.get("field", "")
        self.keys, self.texts, self.values = array("Q"), array("Q"), array("Q")
        self.labels = array("l")
        self.names: dict[str, int] = {}
        self.digest = hashlib.sha256()

    def plan(self) -> Plan:
        """Read the rows and draw."""
        near = self._near() if self.by == "near" else self._read()
        keys = np.array(self.keys, dtype=np.uint64)
        links = [splits.same(keys), near]
        if self.by == "field":
            links.append(splits.same(np.array(self.values, dtype=np.uint64)))
        groups = splits.join(len(keys), links)
        names = splits.names_of(groups, keys)
        train, validation, test = self.version.shares
        placed = splits.place(
            groups=groups,
            labels=self._ordered_labels(),
            names=names,
            seed=self.version.seed,
            shares=(train, validation, test),
            stratified=self.version.stratified,
        )
        self._refuse_empty(placed[groups], len(names))
        texts = np.unique(np.array(self.texts, dtype=np.uint64))
        return Plan(groups, names, placed, texts, self.digest.hexdigest())

    def _rows(self) -> Iterator[tuple[str, str]]:
        at = 0
        for chunk in _chunks(self.version, 0):
            for row in chunk:
                self._take(row)
                yield str(at), row.text
                at += 1

    def _take(self, row: Example) -> None:
        key = text_key(row.group_hash)
        self.keys.append(key)
        self.texts.append(text_key(group_hash(row.text.strip())))
        self.labels.append(self.names.setdefault(row.label or "", len(self.names)))
        self.digest.update(row.content_hash.encode())
        if self.by == "field":
            value = (row.data.get("fields") or {}).get(self.field)
            said = value is not None and str(value).strip()
            # Without a value the row stands for its text alone.
            self.values.append(text_key(group_hash(f"={value}")) if said else key)

    def _read(self) -> tuple[splits.Ints, splits.Ints]:
        for _row in self._rows():
            pass
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing

    def _near(self) -> tuple[splits.Ints, splits.Ints]:
        # Native code that only workers need.
        from training.datasets.health import near

        found = near.groups(self._rows(), beat=lambda: _keep(self.version))
        count = len(found)
        return (
            np.fromiter((int(one) for one in found), dtype=np.int64, count=count),
            np.fromiter((int(one) for one in found.values()), dtype=np.int64, count=count),
        )

    def _ordered_labels(self) -> splits.Ints:
        """Return each row's label by the place of its name among all names, sorted."""
        place = {name: at for at, name in enumerate(sorted(self.names))}
        moved = np.array([place[name] for name in self.names], dtype=np.int64)
        return moved[np.array(self.labels, dtype=np.int64)]

    def _refuse_empty(self, placed: NDArray[np.int8], groups: int) -> None:
        counts = np.bincount(placed, minlength=len(SPLITS))
        if counts.min() == 0:
            code = "too_few_groups" if self.by != "exact" else "too_few_rows"
            raise FreezeRefused(code, rows=len(placed), groups=groups)


class _Writing:
    """The second pass: the Parquet file, the version's rows, and the facts."""

    def __init__(self, version: DatasetVersion, plan: Plan) -> None:
        """Start with nothing written."""
        self.version = version
        self.plan = plan
        self.spec = AugmentSpec(**version.augmentation) if version.augmentation else None
        self.made: set[int] = set()
        self.digest, self.seen = hashlib.sha256(), hashlib.sha256()
        self.labels: Counter[str] = Counter()
        self.counts: Counter[str] = Counter(dict.fromkeys(SPLITS, 0))
        self.by_split: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
        self.lengths = array("L")

    def write(self, path: Path) -> dict[str, Any]:
        """Write the file and the rows; return what the version's row keeps."""
        at = 0
        with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
            for chunk in _chunks(self.version, self.version.total // 2):
                lines = [self._line(row, at + offset) for offset, row in enumerate(chunk)]
                at += len(chunk)
                augmented = [new for line in lines for new in self._made_from(line)]
                writer.write_table(pa.Table.from_pylist([*lines, *augmented], schema=SCHEMA))
                self._insert(lines)
        if self.seen.hexdigest() != self.plan.seen:
            raise FreezeRefused("rows_moved")
        return {
            "content_hash": self.digest.hexdigest(),
            "rows": at,
            "augmented_rows": len(self.made),
            "label_counts": dict(sorted(self.labels.items())),
            "split_counts": dict(self.counts),
            "split_labels": {name: dict(sorted(n.items())) for name, n in self.by_split.items()},
            "text_stats": _length_stats(np.array(self.lengths, dtype=np.int64)),
        }

    def _line(self, row: Example, at: int) -> dict[str, Any]:
        self.seen.update(row.content_hash.encode())
        if at >= len(self.plan.groups):
            raise FreezeRefused("rows_moved")
        group = self.plan.groups[at]
        split = SPLITS[self.plan.placed[group]]
        self.digest.update(f"{row.content_hash}:{split}\n".encode())
        self.labels[row.label or ""] += 1
        self.counts[split] += 1
        self.by_split[split][row.label or ""] += 1
        if row.image is None:
            self.lengths.append(len(row.text))
        fields = row.data.get("fields")
        return {
            "id": str(row.pk),
            "text": row.text,
            "label": row.label,
            "split": split,
            "line": row.line,
            "group": f"{int(self.plan.names[group]):016x}",
            "parent": None,
            "fields": json.dumps(fields, ensure_ascii=False) if fields else None,
            "content": row.content_hash,
            "image": row.image,
        }

    def _made_from(self, line: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the augmented rows of a training row."""
        if self.spec is None or line["split"] != "train":
            return
        key, seed = line["content"], self.version.seed
        texts = texts_from(line["text"], key=key, seed=seed, spec=self.spec, known=self._known)
        for number, text in enumerate(texts, start=1):
            self.made.add(text_key(group_hash(text)))
            content = content_hash(text, line["label"])
            self.digest.update(f"{content}:from {key}\n".encode())
            yield {
                **line,
                "id": f"{line['id']}~{number}",
                "text": text,
                "parent": line["id"],
                "fields": None,
                "content": content,
            }

    def _known(self, text: str) -> bool:
        key = text_key(group_hash(text))
        real = self.plan.texts
        place = int(np.searchsorted(real, np.uint64(key)))
        return key in self.made or (place < len(real) and int(real[place]) == key)

    def _insert(self, lines: Sequence[dict[str, Any]]) -> None:
        ids, placed = [line["id"] for line in lines], [line["split"] for line in lines]
        with tenant_scope(self.version.tenant_id), connection.cursor() as cursor:
            _renew(self.version)
            cursor.execute(
                _INSERT, [str(self.version.tenant_id), str(self.version.pk), ids, placed]
            )


def _length_stats(lengths: NDArray[np.int64]) -> dict[str, float]:
    """Return characters a text: least, median, mean, 95th percentile, most; {} without texts."""
    if not len(lengths):
        return {}
    ordered = np.sort(lengths)
    return {
        "min": int(ordered[0]),
        "median": float(np.median(ordered)),
        "mean": round(float(ordered.mean()), 1),
        "p95": int(ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)]),
        "max": int(ordered[-1]),
    }
