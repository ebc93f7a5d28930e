"""Fixtures of all tests; the stack itself is the plugin `tests.stack`."""

from __future__ import annotations

import pytest
from modelyard.core import valkey


@pytest.fixture(autouse=True)
def _empty_caches(request: pytest.FixtureRequest) -> None:
    """Start every database test with an empty cache, as it starts with empty tables."""
    if request.node.get_closest_marker("django_db") is not None:
        valkey.cache().flushdb()
