"""Fixtures of all tests; the stack itself is the plugin `tests.stack`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.utils import translation

from modelyard.core import valkey
from tests.samples import SENTENCES
from tests.site import RunningSite, running


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


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """The whole platform running, with a tiny base model beside the real one."""
    from tests.engine.tiny_model import make_tiny_bert  # torch, for this fixture only

    bases = tmp_path_factory.mktemp("bases")
    make_tiny_bert(bases / "tiny", SENTENCES)
    with running("site", ENGINE_BASES_DIR=str(bases)) as found:
        yield found
