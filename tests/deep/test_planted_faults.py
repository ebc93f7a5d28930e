"""The tests are tested: each fault, planted in a copy of the tree, turns its test red."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = ("var", ".venv", "node_modules", ".git", "*_cache", "__pycache__", ".hypothesis")


@dataclass(frozen=True)
class Fault:
    """A mistake that somebody could make.

    Attributes:
        file: Where it is made.
        good: What stands there.
        bad: What the mistake makes of it.
        test: What must turn red.
    """

    file: str
    good: str
    bad: str
    test: str


FAULTS = {
    "row-level security is off on one table": Fault(
        "training/datasets/migrations/0001_initial.py",
        'TenantTable("datasets_upload", parents={"dataset_id": "datasets_dataset"}),',
        'TenantTable("datasets_upload", parents={"dataset_id": "datasets_dataset"}),\n'
        "        migrations.RunSQL(\n"
        '            "alter table datasets_upload disable row level security"\n'
        "        ),",
        "tests/contract/test_catalog.py",
    ),
    "a list goes past the scoped manager": Fault(
        "training/datasets/models/dataset.py",
        "class Dataset(TenantOwned):",
        "class Dataset(TenantOwned):\n    everything = models.Manager()\n",
        "tests/contract/test_managers.py",
    ),
    "the tenant is set for the session, not for the transaction": Fault(
        "tenants/scoping/context.py",
        "select set_config('app.tenant_id', %s, true)\", [value]",
        "select set_config('app.tenant_id', %s, false)\", [value]",
        "tests/integration/test_tenancy.py",
    ),
    "a foreign key without the tenant": Fault(
        "training/datasets/migrations/0001_initial.py",
        'TenantTable("datasets_datasetversion", parents={"dataset_id": "datasets_dataset"}),',
        'TenantTable("datasets_datasetversion"),\n'
        "        migrations.RunSQL(\n"
        '            "alter table datasets_datasetversion add constraint plain"\n'
        '            " foreign key (dataset_id) references datasets_dataset (id) not valid"\n'
        "        ),",
        "tests/contract/test_catalog.py",
    ),
    "a view with its owner's rights": Fault(
        "training/datasets/migrations/0001_initial.py",
        'TenantTable("datasets_dataset"),',
        'TenantTable("datasets_dataset"),\n'
        "        migrations.RunSQL(\n"
        '            "create view datasets_names as select name from datasets_dataset"\n'
        "        ),",
        "tests/contract/test_catalog.py",
    ),
    "the audit trail can be rewritten": Fault(
        "tenants/migrations/0001_initial.py",
        'AppendOnly("tenants_auditevent"),',
        "",
        "tests/contract/test_catalog.py",
    ),
    "the stock throttle: read, look, write": Fault(
        "tenants/limits/limiter.py",
        "    try:\n        found = script(",
        '    seen = int(_valkey.get(f"stock:{tenant_id}") or 0)\n'
        '    _valkey.set(f"stock:{tenant_id}", seen + 1)\n'
        "    return Decision('ok' if seen < allowed.tenant.burst else 'rate', 1, None)\n"
        "    try:\n        found = script(",
        "tests/integration/test_limits.py::test_of_320_requests_by_16_processes_exactly_50_pass",
    ),
    "a route that asks nobody who they are": Fault(
        "billing/api.py",
        "class Usage(TenantApiView):",
        "class Usage(TenantApiView):\n    public = True\n",
        "tests/integration/test_isolation.py"
        "::test_nobody_gets_401_from_the_api_and_the_login_page_from_the_pages",
    ),
    "a key in a log line": Fault(
        "platform/modelyard/core/observe.py",
        "text = _SECRETS.sub(REDACTED, text)",
        "text = str(text)",
        "tests/unit/test_observe.py",
    ),
    "a role that may too much": Fault(
        "tenants/access.py",
        '"viewer": MEMBER | READ |',
        '"viewer": MEMBER | READ | BUILD |',
        "tests/integration/test_roles.py",
    ),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree with the environment beside it."""
    place = tmp_path_factory.mktemp("planted") / "tree"
    shutil.copytree(ROOT, place, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for name in ("node_modules", "var/browser"):
        if (ROOT / name).exists():
            (place / name).parent.mkdir(exist_ok=True)
            (place / name).symlink_to(ROOT / name)
    return place


@pytest.fixture
def planted(tree: Path, fault: Fault) -> Iterator[Path]:
    file = tree / fault.file
    before = file.read_text()
    assert before.count(fault.good) == 1, f"the place in {fault.file} has moved"
    file.write_text(before.replace(fault.good, fault.bad))
    yield tree
    file.write_text(before)


def run(tree: Path, test: str) -> subprocess.CompletedProcess[str]:
    """Run a test on the copy, on servers of its own."""
    passed_on = {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"}
    env = {name: value for name, value in os.environ.items() if name in passed_on}
    env["PYTHONPATH"] = f"{tree / 'platform'}:{tree}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *test.split()]
    return subprocess.run(
        command, cwd=tree, env=env, capture_output=True, text=True, check=False, timeout=600
    )


@pytest.mark.timeout(1200)
def test_without_a_fault_all_of_them_are_green(tree: Path) -> None:
    done = run(tree, " ".join(sorted({fault.test for fault in FAULTS.values()})))
    assert done.returncode == 0, done.stdout[-3000:]
    assert len(FAULTS) >= 8


@pytest.mark.timeout(700)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_planted_fault_turns_its_test_red(planted: Path, fault: Fault) -> None:
    done = run(planted, fault.test)
    assert done.returncode == 1, done.stdout[-3000:]
    assert " failed" in done.stdout
