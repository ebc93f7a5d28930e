"""Fixtures of all tests; the stack itself is the plugin `tests.stack`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.cache import caches
from django.db import connection
from django.test import TransactionTestCase
from django.utils import translation

from modelyard.core import valkey
from tenants.controls import switches
from tests import oidc_stand
from tests.samples import SENTENCES
from tests.site import RunningSite, running, stack
from tests.stack import mine


def _empty_tables(_case: TransactionTestCase) -> None:
    """Empty all tables after a test whose transactions were real (tests/empty_tables.sql)."""
    with connection.cursor() as cursor:
        cursor.execute("select tests.empty_tables()")


TransactionTestCase._fixture_teardown = _empty_tables  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """Start every test in English: a request in Chinese leaves its thread in Chinese."""
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def _empty_caches(request: pytest.FixtureRequest) -> None:
    """Start every database test with an empty cache, as it starts with empty tables."""
    if request.node.get_closest_marker("django_db") is not None:
        valkey.cache().flushdb()
        caches["flags"].clear()
        switches.forget()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """The whole platform running, with a tiny base model beside the real one."""
    from tests.engine.tiny_model import make_tiny_bert  # torch, for this fixture only

    bases = tmp_path_factory.mktemp("bases")
    make_tiny_bert(bases / "tiny", SENTENCES)
    port = stack().ports.port(mine("sign-in"))
    more = {"ENGINE_BASES_DIR": str(bases), "OIDC_PROVIDERS": oidc_stand.setting(port)}
    with running("site", **more) as found:
        yield found
