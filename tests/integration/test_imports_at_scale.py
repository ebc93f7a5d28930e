"""Fifty thousand rows through a real worker: exact, in the file's order, in little memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import million
from tests.factories import make_tenant

ROWS = 50_000
MEMORY = 500e6

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


def test_fifty_thousand_rows_are_exactly_those_of_the_file(tmp_path: Path, settings: Any) -> None:
    settings.BILLING = "off"
    tenant = make_tenant()
    one = million.imported(tenant, tmp_path / "rows.csv", ROWS)
    million.check(tenant, one, ROWS)
    assert one.memory < MEMORY, f"{one.memory / 1e6:.0f} MB"
