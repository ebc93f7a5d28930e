"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.factories_ops import running_console


@pytest.fixture(scope="session")
def console_url(django_db_setup: None) -> Iterator[str]:
    """Run the operators' console on the test database; return its address."""
    with running_console() as url:
        yield url
