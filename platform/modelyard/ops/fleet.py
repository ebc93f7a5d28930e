"""What waits and who works, asked of Valkey and of the workers themselves."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import cast

import structlog
from django.conf import settings
from django.core.cache import cache
from django.utils.translation import gettext_lazy as _
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from modelyard.core import clock, queue, valkey
from modelyard.core.errors import Unavailable
from training.serving.runtime import names

QUEUES = ("default", "imports", "training", "billing", "system")
ANSWER_SECONDS = 1.0
KEPT_SECONDS = 5
REMEMBERED_SECONDS = 24 * 3600
_REPLIES = "ops:replies"
_SEEN = "ops:seen"
logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Depth:
    """How much waits in one queue or stream."""

    name: str
    kind: str
    waiting: int


@dataclass(frozen=True)
class Worker:
    """One Celery worker: when it last answered, and the tasks it had in hand then."""

    name: str
    seen_at: dt.datetime
    answers: bool
    tasks: tuple[str, ...]


def depths() -> list[Depth]:
    """Return Celery's queues, then the streams of each serving shard.

    Raises:
        Unavailable: Valkey does not answer.
    """
    prefix = settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
    queues = [*QUEUES, *(f"serving.{shard}" for shard in settings.SERVING_SHARDS)]
    streams = [
        stream
        for shard in settings.SERVING_SHARDS
        for stream in (*names.queues(shard), names.usage(shard))
    ]
    try:
        tasks = valkey.broker().pipeline(transaction=False)
        for name in queues:
            tasks.llen(f"{prefix}{name}")
        tasks.hlen(f"{prefix}unacked")
        *waiting, held = tasks.execute()
        requests = valkey.serving().pipeline(transaction=False)
        for stream in streams:
            requests.xlen(stream)
        lengths = requests.execute()
    except RedisError as error:
        raise _silent(error) from error
    return [
        *(Depth(name, "queue", count) for name, count in zip(queues, waiting, strict=True)),
        Depth("unacked", "queue", held),
        *(Depth(name, "stream", count) for name, count in zip(streams, lengths, strict=True)),
    ]


def workers() -> list[Worker]:
    """Return every worker that answered within a day, by name; asked at most every 5 s.

    Raises:
        Unavailable: Valkey does not answer.
    """
    try:
        seen = cast("dict[str, dt.datetime]", cache.get(_SEEN) or {})
        replies = cast("dict[str, tuple[str, ...]] | None", cache.get(_REPLIES))
        if replies is None:
            replies = _ask()
            now = clock.now()
            horizon = now - dt.timedelta(seconds=REMEMBERED_SECONDS)
            seen = {name: at for name, at in seen.items() if at > horizon}
            seen |= dict.fromkeys(replies, now)
            cache.set(_SEEN, seen, timeout=REMEMBERED_SECONDS)
            cache.set(_REPLIES, replies, timeout=KEPT_SECONDS)
    except (RedisError, OperationalError) as error:
        raise _silent(error) from error
    return [
        Worker(name, at, name in replies, replies.get(name, ()))
        for name, at in sorted(seen.items())
    ]


def _ask() -> dict[str, tuple[str, ...]]:
    """Broadcast "what are you at?" and collect answers; who is dead or stuck gives none."""
    inspect = queue.app.control.inspect(timeout=ANSWER_SECONDS)
    found = inspect.active() or {}
    return {name: tuple(str(task["name"]) for task in tasks) for name, tasks in found.items()}


def _silent(error: Exception) -> Unavailable:
    logger.warning("ops_valkey_silent", error=str(error))
    return Unavailable(_("Valkey does not answer, so queues and workers can't be shown."))
