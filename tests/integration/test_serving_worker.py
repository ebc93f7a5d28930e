"""The Celery worker that owns a model server: real worker process, real broker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from celery import Celery

from tests.serving_shard import Shard, Valkey, wait_for
from training.serving.runtime.child import ServerDownError
from training.serving.worker import current_server

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    (tmp_path / "valkey").mkdir()
    server = Valkey(tmp_path / "valkey")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def worker(valkey: Valkey, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {
        "BROKER_URL": valkey.url,
        "SERVING_URL": valkey.url,
        "SERVING_CACHE_DIR": str(tmp_path / "cache"),
        "MODELYARD_SHARD": "0",
        "DJANGO_SETTINGS_MODULE": "modelyard.settings.test",
    }
    command = [sys.executable, "-m", "celery", "-A", "tests.fakes.serving_app", "worker"]
    options = ["-P", "threads", "-c", "2", "-n", "serving@test", "-l", "WARNING"]
    process = subprocess.Popen([*command, *options], cwd=ROOT, env=environment)
    yield process
    process.kill()
    process.wait()


def test_a_worker_serves_tells_its_figures_and_drains_when_stopped(
    worker: subprocess.Popen[bytes], valkey: Valkey, tmp_path: Path
) -> None:
    shard = Shard(valkey.url, tmp_path / "models")
    app = Celery(broker=valkey.url)
    app.send_task("test.serve")
    wait_for(lambda: shard.alive() == ["serving@test"], 30)

    ask = partial(app.control.broadcast, reply=True, limit=1, timeout=5)
    (figures,) = ask("serving_stats")
    assert figures["serving@test"]["versions"] == []
    (dropped,) = ask("serving_drop", arguments={"version": "m1"})
    assert dropped == {"serving@test": {"ok": "m1"}}

    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    assert shard.alive() == []
    app.close()
    shard.stop()


def test_the_model_server_leaves_when_its_worker_is_killed(
    worker: subprocess.Popen[bytes], valkey: Valkey, tmp_path: Path
) -> None:
    shard = Shard(valkey.url, tmp_path / "models")
    app = Celery(broker=valkey.url)
    app.send_task("test.serve")
    wait_for(lambda: shard.alive() == ["serving@test"], 30)
    worker.kill()
    wait_for(lambda: shard.alive() == [], 2)  # it said goodbye; the window is 3 s
    app.close()
    shard.stop()


def test_another_process_has_no_model_server() -> None:
    with pytest.raises(ServerDownError):
        current_server()
