"""`modelyard doctor` where everything runs: no fault, each queue has its worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from modelyard.launch.site import environment
from tests.site import RunningSite

pytestmark = pytest.mark.system


def checks(site: RunningSite, *options: str, **more: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "modelyard", "doctor", "--json", *options]
    env = {**os.environ, **environment(site.place), **more}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {row["code"]: row for row in json.loads(done.stdout)["checks"]}


def test_a_running_site_is_well_from_the_sites_and_from_the_schedulers_end(
    site: RunningSite,
) -> None:
    found = checks(site)
    assert {row["state"] for row in found.values()} == {"ok"}
    assert found["workers_on_queues"]["says"].startswith("4 workers answer")
    assert "worker-serve" in found["model_servers"]["says"]
    login = site.place.env["OPS_DATABASE_URL"]
    found = checks(site, "--ops", DATABASE_URL=login)
    assert found["database_ops_role"]["state"] == "ok"
