"""Pytest plugin (`-p tests.stack`): the embedded stack runs for as long as the test session.

It starts before Django's settings are read, on a state folder of its own, so that several
sessions can run side by side; with pytest-xdist the workers use their controller's stack.
"""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from modelyard.embedded.stack import Stack

ROOT = Path(__file__).resolve().parents[1]
# The many processes that tests start compile the platform's modules once, not each for itself.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
_MARK = "MODELYARD_TEST_STACK"
STATE = Path(os.environ.get(_MARK) or ROOT / "var" / "test" / str(os.getpid()))
_stack: Stack | None = None
_FORGETFUL = "".join(
    f"ALTER SYSTEM SET {name} = off;\n"
    for name in ("fsync", "full_page_writes", "synchronous_commit")
)
"""These databases end with the session, so nothing of them has to outlive a power cut."""

if _MARK not in os.environ:
    STATE.mkdir(parents=True, exist_ok=True)
    _stack = Stack(state=STATE, external={})
    _stack.__enter__()
    _stack.run_sql(f"{_FORGETFUL}SELECT pg_reload_conf();\n")
    # Every database made from now on is a copy of this one.
    _stack.run_sql((ROOT / "tests" / "empty_tables.sql").read_text(), database="template1")
    os.environ.update(_stack.env)
    os.environ["WEB_DATABASE_URL"] = _stack.env["DATABASE_URL"]
    os.environ["DATABASE_URL"] = _stack.env["TEST_DATABASE_URL"]
    os.environ["MODELYARD_STATE"] = str(STATE)
    os.environ["BILLING"] = "sandbox"
    os.environ[_MARK] = str(STATE)


WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
"""This process among those that share the servers: "gw0", "gw1" ...; "" where it is alone."""

_NUMBERS_EACH = 8
_PARTS = {"tests": 0, "site": 2, "web": 4, "nobody": 6}


def mine(name: str) -> str:
    """Return a name (of a port, a file, a database, a bucket) that no other worker uses."""
    return f"{name}{WORKER}"


def valkey_urls(part: str) -> dict[str, str]:
    """Return broker and cache on Valkey numbers that no other worker uses.

    Args:
        part: Whose: of "tests" (in this process), "site", "web" (`tests.webserver`) or "nobody".
    """
    # The stack's own numbers are 0 and 1.
    first = 8 + _NUMBERS_EACH * int(WORKER.removeprefix("gw") or 0) + _PARTS[part]
    server = os.environ["BROKER_URL"].rsplit("/", 1)[0]
    return {"BROKER_URL": f"{server}/{first}", "CACHE_URL": f"{server}/{first + 1}"}


os.environ.update(valkey_urls("tests"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the long ones first where several workers share the tests."""
    if WORKER:
        items.sort(key=_how_soon)


_LONG = ("site", "fuzz")


def _how_soon(item: pytest.Item) -> int:
    """Return the place among the long ones of what a test waits for; those come first."""
    fixtures = getattr(item, "fixturenames", ())
    return next((n for n, name in enumerate(_LONG) if name in fixtures), len(_LONG))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give all tests of the running site to one worker, the rest file by file.

    Several sites on a small machine make each other slow. (xdist's own groups do nothing with
    pytest 9.2: they rename tests, which no longer can be.)
    """
    from xdist.scheduler import LoadFileScheduling  # where several workers share the tests

    class OneSite(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return (
                "site" if _on_site(nodeid.split("::", 1)[0]) else str(super()._split_scope(nodeid))
            )

    return OneSite(config, log)


@cache
def _on_site(file: str) -> bool:
    text = (ROOT / file).read_text(encoding="utf-8")
    return "site: RunningSite" in text or "visitor: Visitor" in text


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the stack and remove its folder."""
    global _stack  # noqa: PLW0603 - one stack a process
    if _stack is not None:
        _stack.__exit__(None, None, None)
        _stack = None
        shutil.rmtree(STATE, ignore_errors=True)
