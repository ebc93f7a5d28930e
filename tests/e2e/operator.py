"""An operator at the console, for the browser tests: how a run is lost, how one signs in."""

from __future__ import annotations

import time
from typing import Any

import psutil
from playwright.sync_api import Page

from modelyard.launch.site import manage
from tests.factories_ops import code_for, enrol_on
from tests.site import Api, RunningSite


def lose_a_run(site: RunningSite, api: Api, version: str) -> str:
    """Order a run and kill its training child until the platform gives it up; return its id."""
    spec = {"base": "tiny", "epochs": 100, "max_length": 32, "batch_size": 8}
    body = {"dataset_version_id": version, "model_name": "doomed", "spec": spec}
    run = str(api.post("runs", body)["id"])
    row: Any = None
    for _try in range(600):
        row = api.get(f"runs/{run}")
        if row["status"] == "failed":
            assert row["error_code"] == "worker_lost", row
            return run
        worker = psutil.Process(site.pid("worker-train"))
        for child in worker.children(recursive=True):
            child.kill()
        time.sleep(0.1)
    raise AssertionError(row)


def become_operator(site: RunningSite, page: Page, email: str, role: str = "ops") -> None:
    """Make somebody an operator, give them an authenticator app, and sign in at the console."""
    said = manage(site.place, "staff", "add", email, "--role", role)
    secret = enrol_on(site.place, email)
    page.goto(site.place.ops_url)
    page.fill("input[name=username]", email)
    page.fill("input[name=password]", said.rsplit(": ", 1)[1].strip())
    page.keyboard.press("Enter")
    page.fill("input[name=code]", code_for(secret))
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.place.ops_url}/")
