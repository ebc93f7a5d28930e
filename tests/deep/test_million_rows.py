"""A million rows of a CSV file: quoted, multi-line, Chinese and emoji; exact, under 500 MB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import million
from tests.factories import make_tenant

ROWS = 1_000_000
FILE = 60e6
MEMORY = 500e6

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(1800)]


def test_a_million_rows_are_exactly_those_of_the_file(tmp_path: Path, settings: Any) -> None:
    settings.BILLING = "off"
    tenant = make_tenant()
    path = tmp_path / "million.csv"
    one = million.imported(tenant, path, ROWS, search=True)
    print(f"{one.seconds:.0f} s, {path.stat().st_size / 1e6:.0f} MB, {one.memory / 1e6:.0f} MB")
    assert path.stat().st_size >= FILE
    million.check(tenant, one, ROWS)
    assert one.memory < MEMORY
