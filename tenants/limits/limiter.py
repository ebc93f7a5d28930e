"""The limiter: the script's caller, the shape of its answer, and its silence.

All counters are in Valkey and move in one script, so that any number of processes share them
exactly. When Valkey is out of reach the caller decides who may go on (`tenants.limits.gate`).
"""

from __future__ import annotations

import math
import os
import time
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from tenants.limits.allowance import Allowances

SCRIPT = (Path(__file__).parent / "admit.lua").read_text("utf-8")
SLOT_SECONDS = 60.0
"""A slot whose holder died ends by itself: twice what a statement of a request may take."""
PATIENCE_SECONDS = 0.5
QUIET_SECONDS = 1.0
"""After a failure nobody asks for so long: a dead limiter must not slow every read."""
USED_KEYS = "keys:used"


class LimiterDown(Exception):
    """Valkey did not answer in time."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a caller may still do, of the tighter of its two limits.

    Attributes:
        limit: Requests that may come at once.
        left: How many of them are left now.
        whole_seconds: Seconds until all of them are.
    """

    limit: int
    left: int
    whole_seconds: int

    def headers(self) -> dict[str, str]:
        """Return the rate headers of an answer."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.left),
            "X-RateLimit-Reset": str(self.whole_seconds),
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """The script's word: `verdict` is ok, rate or busy; `wait_seconds` fits a Retry-After."""

    verdict: str
    wait_seconds: int
    reading: Reading | None


class _Health:
    """Until when this process leaves the limiter alone."""

    quiet_until = 0.0


@lru_cache(maxsize=4)
def _client(url: str, _pid: int) -> tuple[redis.Redis, Any]:
    client = redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=PATIENCE_SECONDS,
        socket_connect_timeout=PATIENCE_SECONDS,
        # One try on a fresh connection, for those that an idle server closed.
        retry=Retry(NoBackoff(), 1),
        max_connections=128,
    )
    return client, client.register_script(SCRIPT)


def _seconds(microseconds: str) -> int:
    return math.ceil(int(microseconds) / 1_000_000)


def _keys(tenant_id: uuid.UUID, actor: str) -> list[str]:
    own = f"t:{tenant_id}:api:"
    return [f"{own}time", f"{own}time:{actor}", f"{own}slots", f"{own}slots:{actor}"]


def admit(
    *, tenant_id: uuid.UUID, actor: str, allowed: Allowances, slot: str, key_id: str = ""
) -> Decision:
    """Take a place for one request, or say how long to wait.

    Args:
        tenant_id: Whose request.
        actor: Which of its callers: `key:<id>` or `user:<id>`.
        allowed: What the plan allows.
        slot: A name of this request alone; `release` gives its slot back.
        key_id: API key to note as used; '' for a member.

    Raises:
        LimiterDown: Nobody can say.
    """
    if time.monotonic() < _Health.quiet_until:
        raise LimiterDown
    numbers: list[str | float] = [
        item
        for one in (allowed.tenant, allowed.each)
        for item in (one.interval, one.burst, one.at_once)
    ]
    _valkey, script = _client(settings.CACHE_URL, os.getpid())
    try:
        found = script(
            keys=[*_keys(tenant_id, actor), USED_KEYS],
            args=[*numbers, slot, int(SLOT_SECONDS * 1_000_000), key_id],
        )
    except redis.RedisError as error:
        _Health.quiet_until = time.monotonic() + QUIET_SECONDS
        raise LimiterDown from error
    verdict, wait, limit, left, whole = cast("list[str]", found)
    reading = Reading(int(limit), int(left), _seconds(whole)) if int(limit) >= 0 else None
    return Decision(verdict, max(1, _seconds(wait)), reading)


def release(*, tenant_id: uuid.UUID, actor: str, slot: str) -> None:
    """Give a slot back.

    Raises:
        LimiterDown: It ends by itself, later.
    """
    valkey, _script = _client(settings.CACHE_URL, os.getpid())
    _time, _own_time, slots, own_slots = _keys(tenant_id, actor)
    try:
        with valkey.pipeline(transaction=False) as both:
            both.zrem(slots, slot)
            both.zrem(own_slots, slot)
            both.execute()
    except redis.RedisError as error:
        _Health.quiet_until = time.monotonic() + QUIET_SECONDS
        raise LimiterDown from error
