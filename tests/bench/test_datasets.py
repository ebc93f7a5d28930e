"""A million rows: until the last can be read and found, one more row, pages in the browser."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import pytest

from tenants.models import Tenant
from tenants.scoping.context import tenant_scope
from tests import million
from tests.bench import browsing
from tests.bench.figures import Rounds, machine, spread, table
from tests.factories import make_tenant, owner_of
from tests.factories_datasets import again, csv_of, make_dataset, send_file
from training.datasets import services
from training.datasets.models import Dataset

ROWS = 1_000_000
SECONDS = 120
SEARCH_SECONDS = 240
"""On 2 quiet cores."""
RATIO = 1.5
ROUNDS = 9

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(1800)]


def _one_more(tenant: Tenant, dataset: Dataset, number: int) -> float:
    """Import a file of one new row; return the seconds from the order to its end."""
    actor = owner_of(tenant)
    content = csv_of([(f"one more row, number {number}", million.LABELS[0])])
    upload = send_file(actor, dataset, content)
    started = time.monotonic()
    with tenant_scope(tenant.pk):
        services.import_start(actor=actor, upload_id=upload.pk, text="text", label="label")
    seconds = time.monotonic() - started
    assert again(upload).rows_added == 1
    return seconds


def test_a_million_rows_are_imported_browsed_and_searched(tmp_path: Path, settings: Any) -> None:
    settings.BILLING = "off"
    tenant = make_tenant()
    path = tmp_path / "million.csv"
    one = million.imported(tenant, path, ROWS, search=True)
    size = path.stat().st_size / 1e6
    million.check(tenant, one, ROWS)
    empty, full = [], []
    said = Rounds("one more row", ROUNDS)
    for number in range(ROUNDS):
        empty.append(_one_more(tenant, make_dataset(tenant), number))
        full.append(_one_more(tenant, one.dataset, number))
        said.at(number + 1, f"{full[-1] / empty[-1]:.2f} x")
    ratio = statistics.median(full) / statistics.median(empty)
    rows = [
        [f"{ROWS:,} rows, {size:.0f} MB, until all can be read", f"{one.seconds:.1f} s"],
        ["until all can be searched", f"{one.search_seconds:.1f} s"],
        ["rows a second, imported", f"{ROWS / one.seconds:,.0f}"],
        ["memory of the worker and its children", f"{one.memory / 1e6:.0f} MB"],
        ["one row into an empty dataset", f"{spread(empty)} s"],
        [f"one row into {ROWS:,}", f"{spread(full)} s"],
        ["ratio of the medians", f"{ratio:.2f}"],
    ]
    table(f"An import ({machine()})", ["what", "figure"], rows)
    browsed = browsing.browse(tenant, one.dataset)
    browsing.check(browsed)
    assert one.seconds < SECONDS
    assert one.search_seconds < SEARCH_SECONDS
    assert ratio < RATIO
