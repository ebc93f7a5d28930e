"""The faults of `tests/deep/test_planted_faults.py` can still be planted."""

from __future__ import annotations

import pytest

from tests.deep.test_planted_faults import FAULTS, ROOT, Fault


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_the_place_of_a_planted_fault_is_still_there(fault: Fault) -> None:
    assert (ROOT / fault.file).read_text().count(fault.good) == 1, f"{fault.file} has changed"
    assert (ROOT / fault.test.split("::")[0]).exists()
