"""Which workers are there: each shows itself in Valkey with its heartbeat and its GPUs.

The heartbeat is Celery's own (every 2 s, from the loop that takes tasks), so a worker that
hangs is silent. GPUs are what `nvidia-smi` says; a machine without one has none.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import shutil
import subprocess
import threading
import time
from dataclasses import asdict, dataclass
from typing import cast

import structlog
from redis.exceptions import RedisError

from modelyard.core import clock, valkey

KEY = "presence"
EVERY_SECONDS = 4.0
GPU_SECONDS = 10.0
KEPT = dt.timedelta(days=1)
_QUERY = "index,name,utilization.gpu,memory.used,memory.total"
logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Gpu:
    """One GPU: use in percent, memory in MiB."""

    index: int
    name: str
    percent: int
    used_mib: int
    total_mib: int


@dataclass(frozen=True)
class Presence:
    """A worker as it last showed itself."""

    name: str
    at: dt.datetime
    gpus: tuple[Gpu, ...]


class _Worker:
    """What this worker process knows of itself."""

    shown = 0.0
    gpus: tuple[Gpu, ...] = ()


def watch_gpus() -> None:
    """Look at the machine's GPUs from now on, in a thread; without `nvidia-smi` there is none."""
    if shutil.which("nvidia-smi"):
        threading.Thread(target=_look, name="gpus", daemon=True).start()


def show(name: str) -> None:
    """Say that worker `name` is there; at most every 4 s, and never in a worker's way."""
    now = time.monotonic()
    if now - _Worker.shown < EVERY_SECONDS:
        return
    _Worker.shown = now
    gpus = [asdict(gpu) for gpu in _Worker.gpus]
    record = json.dumps({"at": clock.now().timestamp(), "gpus": gpus})
    try:
        valkey.cache().hset(KEY, name, record)
    except RedisError:
        logger.warning("presence_not_shown", worker=name)


def everybody() -> list[Presence]:
    """Return the workers of the last day, by name; older ones are forgotten.

    Raises:
        RedisError: Valkey does not answer.
    """
    client = valkey.cache()
    since = clock.now() - KEPT
    found = []
    for name, record in cast("dict[str, str]", client.hgetall(KEY)).items():
        said = json.loads(record)
        at = dt.datetime.fromtimestamp(said["at"], dt.UTC)
        if at < since:
            client.hdel(KEY, name)
        else:
            found.append(Presence(name, at, tuple(Gpu(**gpu) for gpu in said["gpus"])))
    return sorted(found, key=lambda one: one.name)


def parse(text: str) -> tuple[Gpu, ...]:
    """Return the GPUs of an answer of `nvidia-smi` (CSV without units; "[N/A]" counts as 0)."""
    rows = csv.reader(io.StringIO(text), skipinitialspace=True)
    return tuple(Gpu(_int(row[0]), row[1], *map(_int, row[2:5])) for row in rows if len(row) >= 5)


def _int(text: str) -> int:
    return int(text) if text.strip().isdigit() else 0


def _look() -> None:
    command = ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"]
    while True:
        try:
            done = subprocess.run(  # noqa: S603 - fixed arguments
                command, capture_output=True, text=True, timeout=5, check=True
            )
            _Worker.gpus = parse(done.stdout)
        except (OSError, subprocess.SubprocessError):
            _Worker.gpus = ()
            logger.warning("gpus_not_read", exc_info=True)
        time.sleep(GPU_SECONDS)
