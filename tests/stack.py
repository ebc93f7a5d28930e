"""Pytest plugin (`-p tests.stack`): the embedded stack runs for as long as the test session.

It starts before Django's settings are read, on a state folder of its own, so that several
sessions can run side by side; with pytest-xdist the workers use their controller's stack.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from modelyard.embedded.stack import Stack

ROOT = Path(__file__).resolve().parents[1]
_MARK = "MODELYARD_TEST_STACK"
STATE = Path(os.environ.get(_MARK) or ROOT / "var" / "test" / str(os.getpid()))
_stack: Stack | None = None

if _MARK not in os.environ:
    STATE.mkdir(parents=True, exist_ok=True)
    _stack = Stack(state=STATE, external={})
    _stack.__enter__()
    os.environ.update(_stack.env)
    os.environ["WEB_DATABASE_URL"] = _stack.env["DATABASE_URL"]
    os.environ["DATABASE_URL"] = _stack.env["TEST_DATABASE_URL"]
    os.environ["MODELYARD_STATE"] = str(STATE)
    os.environ["BILLING"] = "sandbox"
    os.environ[_MARK] = str(STATE)


# Workers of pytest-xdist share the servers and get Valkey numbers of their own.
_worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
if _worker.isdigit():
    for _name, _number in (("BROKER_URL", 0), ("CACHE_URL", 1)):
        _base = os.environ[_name].rsplit("/", 1)[0]
        os.environ[_name] = f"{_base}/{6 + 2 * int(_worker) + _number}"


def _on_site(item: pytest.Item) -> bool:
    return "site" in getattr(item, "fixturenames", ())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the long group first where several workers share the tests."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        items.sort(key=lambda item: not _on_site(item))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the stack and remove its folder."""
    global _stack  # noqa: PLW0603 - one stack a process
    if _stack is not None:
        _stack.__exit__(None, None, None)
        _stack = None
        shutil.rmtree(STATE, ignore_errors=True)
