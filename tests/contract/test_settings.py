"""docs/settings.md names every variable that the code reads, and production insists on its own."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "settings.md"
SOURCES = [
    path
    for root in ("platform", "tenants", "billing", "training")
    for path in sorted((ROOT / root).rglob("*.py"))
    if "migrations" not in path.parts
]
# Names that hold variables of the environment, in the settings and in what starts the servers.
READ_FROM = {"environ", "env", "external", "_external"}
READS = {"get", "setdefault", "int", "float", "bool", "list", "db", "str", "url", "json"}
# Reads whose name is not written there, and why each of them hides no variable.
DYNAMIC = {
    "platform/modelyard/embedded/stack.py": "names in its own constants, see STACK",
    "platform/modelyard/settings/base.py": "hands on what a running embedded stack recorded",
    "platform/modelyard/settings/ops.py": "insists on variables that base reads",
    "platform/modelyard/settings/prod.py": "insists on variables that base reads",
    "training/datasets/services/child.py": "passes PATH and the like on to a child",
    "training/engine/cli.py": "thread counts that torch reads itself",
    "training/jobs/child.py": "passes PATH and the like on to a child",
    "training/serving/runtime/child.py": "passes PATH and the like on to a child",
    "training/serving/tasks.py": "the shard, by the name that training/serving/worker.py gives it",
}
STACK = "platform/modelyard/embedded/stack.py"


def _last(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _keys(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield the expression that names the variable, for each read of the environment."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and _last(node.value) in READ_FROM:
            yield node.slice
        elif isinstance(node, ast.Call) and node.args:
            called = node.func
            if (isinstance(called, ast.Name) and called.id == "env") or (
                isinstance(called, ast.Attribute)
                and called.attr in READS
                and _last(called.value) in READ_FROM
            ):
                yield node.args[0]


def _constants(tree: ast.Module) -> dict[str, str]:
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _words(tree: ast.Module) -> Iterator[str]:
    """Yield the strings of a module that look like a variable's name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and re.fullmatch(r"[A-Z][A-Z0-9_]{3,}", str(node.value)):
            yield str(node.value)


def _reads() -> tuple[dict[str, str], set[str]]:
    """Return variable -> a file that reads it, and the files with reads by a computed name."""
    found: dict[str, str] = {}
    dynamic: set[str] = set()
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants, name = _constants(tree), path.relative_to(ROOT).as_posix()
        for key in _keys(tree):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                found[key.value] = name
            elif isinstance(key, ast.Name) and key.id in constants:
                found[constants[key.id]] = name
            else:
                dynamic.add(name)
        if name == STACK:
            found |= dict.fromkeys(_words(tree), name)
    return found, dynamic


def documented() -> dict[str, list[str]]:
    """Return variable -> the other cells of its row in the table."""
    ours = TABLE.read_text(encoding="utf-8").split("## Only in deploy/compose")[0]
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \|(.*)\|$", ours, re.MULTILINE)
    assert len(rows) == len({name for name, _ in rows}), "a variable stands in two rows"
    return {name: [cell.strip() for cell in rest.split("|")] for name, rest in rows}


def test_every_variable_that_the_code_reads_stands_in_the_table() -> None:
    found, _ = _reads()
    assert {name: path for name, path in found.items() if name not in documented()} == {}


def test_every_variable_of_the_table_is_read_by_the_code() -> None:
    found, _ = _reads()
    assert [name for name in documented() if name not in found] == []


def test_no_file_reads_a_variable_by_a_name_that_nobody_can_find() -> None:
    _, dynamic = _reads()
    assert dynamic == set(DYNAMIC)


def test_every_row_says_default_who_needs_it_and_meaning() -> None:
    for name, cells in documented().items():
        assert len(cells) == 3, name
        assert all(cells), name


REQUIRED = {
    "SECRET_KEY": "x" * 50,
    "API_KEY_PEPPER": "x" * 50,
    "DATABASE_URL": "postgres://nobody:x@127.0.0.1:1/none",
    "BROKER_URL": "redis://127.0.0.1:1/0",
    "S3_ACCESS_KEY": "key",
    "S3_SECRET_KEY": "secret",
    "SITE_URL": "https://modelyard.example",
}


def _start(settings: str, env: dict[str, str], state: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from django.conf import settings; settings.DEBUG"],
        cwd=state,
        env={
            "PATH": os.defpath,
            "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}",
            "MODELYARD_STATE": str(state),
            "DJANGO_SETTINGS_MODULE": f"modelyard.settings.{settings}",
            **env,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_production_starts_with_all_that_it_requires(tmp_path: Path) -> None:
    done = _start("prod", REQUIRED, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("missing", REQUIRED)
def test_production_refuses_to_start_without(missing: str, tmp_path: Path) -> None:
    env = {name: value for name, value in REQUIRED.items() if name != missing}
    done = _start("prod", env, tmp_path)
    assert done.returncode != 0
    assert f"set {missing}: see docs/settings.md" in done.stderr
    assert documented()[missing]


@pytest.mark.parametrize("missing", ["SECRET_KEY", "DATABASE_URL", "BROKER_URL"])
def test_the_console_refuses_to_start_without(missing: str, tmp_path: Path) -> None:
    env = {name: value for name, value in REQUIRED.items() if name != missing}
    done = _start("ops", env, tmp_path)
    assert done.returncode != 0
    assert f"set {missing}: see docs/settings.md" in done.stderr


@pytest.mark.parametrize("missing", ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"])
def test_billing_by_stripe_refuses_to_start_without(missing: str, tmp_path: Path) -> None:
    env = {"BILLING": "stripe", "STRIPE_SECRET_KEY": "sk", "STRIPE_WEBHOOK_SECRET": "whsec"}
    assert _start("prod", REQUIRED | env, tmp_path).returncode == 0
    done = _start("prod", REQUIRED | env | {missing: ""}, tmp_path)
    assert done.returncode != 0
    assert f"set {missing}: see docs/settings.md" in done.stderr


def test_an_unknown_way_of_billing_is_refused(tmp_path: Path) -> None:
    done = _start("prod", REQUIRED | {"BILLING": "paypal"}, tmp_path)
    assert "set BILLING to off, sandbox or stripe" in done.stderr
