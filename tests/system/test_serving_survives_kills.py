"""`kill -9` of the model server and of its worker while customers ask.

Every request is repeated under its own key until it is answered; each is metered once.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from modelyard.launch.client import CallRefused
from tests.site import RunningSite
from tests.system.customer import Customer, new_customer

pytestmark = pytest.mark.system
SEED = int(os.environ.get("MODELYARD_SEED", "20261125"))
REQUESTS = 240
CLIENTS = 4


@pytest.fixture(scope="module")
def served(site: RunningSite, tmp_path_factory: pytest.TempPathFactory) -> Customer:
    """A customer whose model answers under the name `reviews`."""
    customer = new_customer(site, tmp_path_factory.mktemp("serving"))
    run = customer.end_of(customer.train(epochs=2)["id"])
    body = {"name": "reviews", "version_id": run["model_version_id"]}
    customer.api.post("deployments", body)
    ended = frozenset({"live", "failed"})
    found = customer.api.wait("deployments/reviews", ended, seconds=60, every=0.2)
    assert found["status"] == "live", found
    return customer


def model_server(site: RunningSite) -> psutil.Process | None:
    try:
        for child in psutil.Process(site.pid("worker-serve")).children(recursive=True):
            if "training.serving.runtime" in child.cmdline():
                return child
    except psutil.Error:
        return None
    return None


def ask(customer: Customer, text: str, key: str, *, seconds: float = 60) -> dict[str, object]:
    """Ask until it is answered, as a client that follows Retry-After."""
    end = time.monotonic() + seconds
    while True:
        try:
            found: dict[str, object] = customer.api.post(
                "deployments/reviews/predict", {"inputs": text}, key=key
            )
        except CallRefused as refusal:
            if refusal.status not in {409, 429, 503} or time.monotonic() > end:
                raise
            time.sleep(float(refusal.problem.get("retry_after", 1)))
        else:
            return found


def ledger(customer: Customer) -> dict[str, int]:
    """Return the lines of predictions: request id -> amount, over all pages."""
    lines: dict[str, int] = {}
    url = "usage/entries?meter=predictions&limit=200"
    while url:
        page = customer.api.http.get(url).json()
        for row in page["data"]:
            assert row["request_id"] not in lines
            lines[row["request_id"]] = row["amount"]
        url = page["next"]
    return lines


@pytest.mark.timeout(180)
def test_every_answer_is_metered_once_however_often_servers_die(
    site: RunningSite, served: Customer
) -> None:
    picker = random.Random(SEED)
    print(f"seed {SEED}")
    stop = threading.Event()

    def killer() -> None:
        for victim in ("server", "worker", "server"):
            if stop.wait(picker.uniform(1.0, 3.0)):
                return
            child = model_server(site)
            print(f"kill -9 of the {victim}")
            if victim == "server" and child is not None:
                child.kill()
            elif victim == "worker":
                os.kill(site.pid("worker-serve"), signal.SIGKILL)

    hunt = threading.Thread(target=killer)
    hunt.start()
    try:
        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(
                pool.map(lambda n: ask(served, f"good film {n}", f"kill-{n}"), range(REQUESTS))
            )
    finally:
        stop.set()
        hunt.join()
    ids = {str(answer["request_id"]) for answer in answers}
    assert len(ids) == REQUESTS
    end = time.monotonic() + 20
    while len(lines := ledger(served)) < REQUESTS and time.monotonic() < end:
        time.sleep(0.3)
    assert set(lines) == ids
    assert set(lines.values()) == {1}


@pytest.mark.timeout(120)
def test_a_restarted_worker_serves_again_without_being_asked(
    site: RunningSite, served: Customer
) -> None:
    ask(served, "good film", "before")
    os.kill(site.pid("worker-serve"), signal.SIGKILL)
    time.sleep(1)
    assert ask(served, "good film again", "after")["predictions"]
    assert served.api.get("deployments/reviews")["status"] == "live"


@pytest.mark.timeout(60)
def test_a_stopped_deployment_ends_its_draining(site: RunningSite, served: Customer) -> None:
    served.api.delete("deployments/reviews")
    found = served.api.wait("deployments/reviews", frozenset({"stopped"}), seconds=30, every=0.2)
    assert found["error"] == ""
