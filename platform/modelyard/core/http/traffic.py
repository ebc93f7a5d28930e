"""How the site answers: requests, errors and times of the last minutes, for the operators.

A request adds to counts in memory; a thread writes them each second to one hash a minute in
Valkey (one pipeline of HINCRBY and EXPIRE). Fields: `n`, `e` (answers of 5xx), `b<k>` (a
histogram of times whose bounds grow by a quarter, so a percentile is right within 13 %).
A silent Valkey costs requests nothing and the console its figures.
"""

from __future__ import annotations

import math
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from redis.exceptions import RedisError

from modelyard.core import valkey

KINDS = ("pages", "predictions")
FLUSH_SECONDS = 1.0
KEPT_SECONDS = 2 * 3600
FIRST_BOUND = 0.001
GROWTH = 1.25
_PREDICT = re.compile(r"/deployments/[^/]+/predict$")
_QUIET = re.compile(r"^/(livez|readyz|static/)")
logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Figures:
    """What the last minutes were like; without requests there are no figures.

    Attributes:
        requests: Answers.
        errors: Those of 5xx.
        p95: Seconds within which 95 % were answered; None without requests.
    """

    requests: int
    errors: int
    p95: float | None

    @property
    def error_rate(self) -> float | None:
        """Share of 5xx, 0 to 1; None without requests."""
        return self.errors / self.requests if self.requests else None


class _Process:
    """What this process has not written yet; a fork starts empty, with a thread of its own."""

    counts: Counter[tuple[str, str]] = Counter()
    lock = threading.Lock()
    pid = 0


def note(kind: str, status: int, seconds: float) -> None:
    """Count one answer; the thread that writes starts with the first one."""
    key = f"traffic:{kind}:{int(time.time()) // 60}"
    with _Process.lock:
        if _Process.pid != os.getpid():
            _start()
        _Process.counts[key, "n"] += 1
        _Process.counts[key, f"b{bucket(seconds)}"] += 1
        if status >= 500:
            _Process.counts[key, "e"] += 1


def flush() -> None:
    """Write what was counted; what can't be written is dropped, with a line in the log."""
    with _Process.lock:
        counts, _Process.counts = _Process.counts, Counter()
    if not counts:
        return
    try:
        pipeline = valkey.cache().pipeline(transaction=False)
        for (key, field), count in counts.items():
            pipeline.hincrby(key, field, count)
        for key in {key for key, _field in counts}:
            pipeline.expire(key, KEPT_SECONDS)
        pipeline.execute()
    except RedisError:
        logger.warning("traffic_not_written", exc_info=True)


def figures(kinds: Iterable[str] = KINDS, *, minutes: int) -> Figures:
    """Return what the last `minutes` were like, the present one included.

    Raises:
        RedisError: Valkey does not answer.
    """
    now = int(time.time()) // 60
    pipeline = valkey.cache().pipeline(transaction=False)
    for kind in kinds:
        for minute in range(now - minutes, now + 1):
            pipeline.hgetall(f"traffic:{kind}:{minute}")
    total: Counter[str] = Counter()
    for row in pipeline.execute():
        total.update({field: int(count) for field, count in row.items()})
    buckets = {int(field[1:]): count for field, count in total.items() if field[0] == "b"}
    return Figures(total["n"], total["e"], percentile(buckets, 0.95))


def bucket(seconds: float) -> int:
    """Return the number of the bucket that `seconds` falls into."""
    return max(0, math.ceil(math.log(max(seconds, FIRST_BOUND) / FIRST_BOUND, GROWTH)))


def percentile(buckets: dict[int, int], share: float) -> float | None:
    """Return the time within which `share` of the counted answers came; None without any."""
    wanted = share * sum(buckets.values())
    seen = 0
    for number in sorted(buckets):
        seen += buckets[number]
        if seen >= wanted:
            # The middle of the bucket, in the sense of ratios.
            return float(FIRST_BOUND * GROWTH ** (number - (0.5 if number else 0)))
    return None


def _start() -> None:
    """Begin to write for this process; the lock is held."""
    _Process.pid = os.getpid()
    _Process.counts = Counter()
    threading.Thread(target=_write, name="traffic", daemon=True).start()


def _write() -> None:
    while True:
        time.sleep(FLUSH_SECONDS)
        flush()


def _after_fork() -> None:
    _Process.lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


class TrafficMiddleware:
    """Count every answer of the site but files and health checks."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Take the time until the answer begins (a stream goes on after that)."""
        path = request.path_info
        if _QUIET.match(path):
            return self.get_response(request)
        began = time.monotonic()
        response = self.get_response(request)
        kind = "predictions" if _PREDICT.search(path) else "pages"
        note(kind, response.status_code, time.monotonic() - began)
        return response
