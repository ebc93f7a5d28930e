"""A CSV file of any length, always the same: quoted, multi-line, Chinese and emoji.

`imported` sends it through a real worker and compares what the dataset holds with what was
written, row by row in their order.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelyard.core import clock
from tenants.models import Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import owner_of
from tests.factories_datasets import make_dataset, send_file
from tests.importer import ended, imports_worker, searchable
from tests.memory import Memory
from training.datasets import selectors, services
from training.datasets.models import Dataset, Example, Upload

LABELS = ("billing", "delivery", "praise", "缺陷", "other, or unclear")
_ENGLISH = ("parcel", "invoice", "refund", "password", "screen", "courier", "battery", "manual")
_CHINESE = ("订单", "发票", "退款", "密码", "屏幕", "快递", "电池", "说明书")
_EMOJI = ("😀", "🚚", "💳", "👩‍💻", "🇨🇳", "❤️", "🔋", "📦")


def row(number: int) -> tuple[str, str]:
    """Return the text and the label of a row; no two texts are the same."""
    one, two = number % 8, number // 8 % 8
    word, other, hanzi = _ENGLISH[one], _ENGLISH[two], _CHINESE[two]
    text = (
        f'Case {number}: the {word} said "wait", then the {other} broke; why, after all?',
        f"第{number}号：{hanzi}有问题，{_CHINESE[one]}也没有收到，请尽快处理。",
        f"Ticket {number} {_EMOJI[one]}\nFirst the {word}, {other} next.\n\nThanks {_EMOJI[two]}",
        f"{_EMOJI[two]} {hanzi} / {word} no. {number}, “{_CHINESE[one]}” is still not here\t!",
    )[number // 64 % 4]
    return text, LABELS[number % len(LABELS)]


def write(path: Path, count: int) -> Path:
    """Write the file: a header and `count` rows."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        writer.writerows(row(number) for number in range(count))
    return path


def digest(rows: Iterator[tuple[str, str | None]]) -> str:
    """Return the SHA-256 over texts and labels in their order."""
    hashed = hashlib.sha256()
    for text, label in rows:
        hashed.update(f"{text}\x00{label}\x01".encode())
    return hashed.hexdigest()


def expected(count: int) -> str:
    """Return the digest of what the file's rows must be in the dataset."""
    return digest(row(number) for number in range(count))


@dataclass(frozen=True)
class Imported:
    """What came of the file.

    Attributes:
        memory: Most bytes that the worker and all processes below it had at once, resident.
        seconds: From the order to the end of the import.
        search_seconds: From the order until all can be searched; 0 where nobody waited for it.
    """

    dataset: Dataset
    upload: Upload
    memory: int
    seconds: float
    search_seconds: float


def imported(tenant: Tenant, path: Path, count: int, *, search: bool = False) -> Imported:
    """Import the file of `count` rows by a real worker, which is there before the order.

    With `search`, wait until the worker has made all rows searchable, too.
    """
    dataset, actor = make_dataset(tenant), owner_of(tenant)
    upload = send_file(actor, dataset, write(path, count).read_bytes(), path.name)
    with imports_worker(BILLING="off") as worker, Memory(worker) as memory:
        ordered = clock.now()
        with tenant_scope(tenant.pk):
            services.import_start(actor=actor, upload_id=upload.pk, text="text", label="label")
        upload = ended(upload)
        if search:
            searchable(dataset)
        searched = (clock.now() - ordered).total_seconds() if search else 0.0
    assert upload.finished_at
    seconds = (upload.finished_at - ordered).total_seconds()
    return Imported(dataset, upload, memory.most, seconds, searched)


def check(tenant: Tenant, one: Imported, count: int) -> None:
    """Compare counts, and every row in the file's order, with what was written."""
    upload = one.upload
    assert (upload.rows_read, upload.rows_added, upload.rows_rejected) == (count, count, 0)
    with tenant_scope(tenant.pk):
        assert selectors.dataset_get(one.dataset.pk).example_count == count
        assert sum(selectors.label_counts(one.dataset.pk).values()) == count
        rows = Example.live.filter(dataset=one.dataset).order_by("id")
        stored = rows.values_list("data__text", "label").iterator(chunk_size=5_000)
        assert digest(stored) == expected(count)
