"""`kill -9` of the worker or of the training child at a random moment of a run.

The run ends exactly once, with one artifact set and one charge. Seeds are printed.
"""

from __future__ import annotations

import os
import random
import signal
import time
from typing import Any

import boto3
import psutil
import pytest

from tests.site import RunningSite
from tests.system.customer import Customer, new_customer

pytestmark = pytest.mark.system
EPOCHS = 20
FIRST_SEED = int(os.environ.get("MODELYARD_SEED", "20261125"))


@pytest.fixture(scope="module")
def customer(site: RunningSite, tmp_path_factory: pytest.TempPathFactory) -> Customer:
    return new_customer(site, tmp_path_factory.mktemp("kills"))


def training_child(site: RunningSite) -> psutil.Process | None:
    worker = psutil.Process(site.pid("worker-train"))
    for child in worker.children(recursive=True):
        if "training.engine" in child.cmdline():
            return child
    return None


def artifact_folders(site: RunningSite, run: str) -> dict[str, set[str]]:
    """Return the objects of the run's model, by attempt folder."""
    env = site.place.env
    client = boto3.client(
        "s3", endpoint_url=env["S3_ENDPOINT_URL"], aws_access_key_id=env["S3_ACCESS_KEY"],
        aws_secret_access_key=env["S3_SECRET_KEY"], region_name=env["S3_REGION"],
    )  # fmt: skip
    found: dict[str, set[str]] = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=env["S3_BUCKET"]):
        for row in page.get("Contents", []):
            if f"/{run}/" in row["Key"]:
                folder, _slash, name = row["Key"].rpartition("/")
                found.setdefault(folder, set()).add(name)
    return found


def check_it_ended_once(site: RunningSite, customer: Customer, run: dict[str, Any]) -> None:
    assert run["status"] == "succeeded", run
    events = customer.api.get(f"runs/{run['id']}/events")["events"]
    while more := customer.api.get(f"runs/{run['id']}/events", after=events[-1]["seq"])["events"]:
        events += more
    assert [one["kind"] for one in events].count("succeeded") == 1
    assert [one["seq"] for one in events] == list(range(1, len(events) + 1))
    folders = artifact_folders(site, run["id"])
    assert len(folders) == 1, folders
    assert {"manifest.json", "model.safetensors", "config.json"} <= next(iter(folders.values()))
    charges = customer.api.get("usage/entries", request_id=f"run:{run['id']}")["data"]
    assert [(one["meter"], one["amount"] > 0) for one in charges] == [("train_ms", True)]
    versions = customer.api.get("model-versions", limit=200)["data"]
    assert [one["run_id"] for one in versions].count(run["id"]) == 1


def wait_for_percent(customer: Customer, run: str, percent: float) -> float:
    """Wait until the run is so far; by progress, not by the clock, whatever else runs here."""
    end = time.monotonic() + 120
    while (row := customer.api.get(f"runs/{run}"))["percent"] < percent:
        assert time.monotonic() < end, row
        time.sleep(0.03)
    return float(row["percent"])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [FIRST_SEED + n for n in range(5)])
def test_a_run_whose_worker_or_child_is_killed_ends_once_with_one_model_and_one_charge(
    site: RunningSite, customer: Customer, seed: int
) -> None:
    picker = random.Random(seed)
    wanted, pause = picker.uniform(0, 99), picker.uniform(0, 0.5)
    victim = ("worker", "child")[seed % 2]
    run = customer.train(epochs=EPOCHS)
    reached = wait_for_percent(customer, run["id"], wanted)
    time.sleep(pause)
    child = training_child(site)
    print(f"seed {seed}: kill -9 of the {victim} at {reached:.0f} % and {pause:.2f} s")
    if victim == "child" and child is not None:
        child.kill()
    else:
        os.kill(site.pid("worker-train"), signal.SIGKILL)
        if child is not None:
            child.wait(timeout=10)  # it dies with its worker
    check_it_ended_once(site, customer, customer.end_of(run["id"]))
