"""What waits and who works, asked of Valkey and of the workers themselves."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import structlog
from django.conf import settings
from django.core.cache import cache
from django.utils.translation import gettext_lazy as _
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from modelyard.core import clock, presence, queue, valkey
from modelyard.core.errors import Unavailable
from modelyard.core.presence import Gpu
from training.serving.runtime import names

QUEUES = ("default", "imports", "training", "billing", "system")
ANSWER_SECONDS = 1.0
KEPT_SECONDS = 5
SILENT_SECONDS = 30
_REPLIES = "ops:replies"
logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Depth:
    """How much waits in one queue or stream, and since when its oldest (None: not known)."""

    name: str
    kind: str
    waiting: int
    oldest_seconds: float | None = None


@dataclass(frozen=True)
class Task:
    """What a worker is at; the run's id where it is one."""

    name: str
    run_id: str = ""


@dataclass(frozen=True)
class Worker:
    """One Celery worker: its last heartbeat, whether it answers, its tasks and its GPUs."""

    name: str
    seen_at: dt.datetime
    answers: bool
    tasks: tuple[Task, ...]
    gpus: tuple[Gpu, ...]

    @property
    def silent(self) -> bool:
        """Tell whether it neither answers nor beats."""
        age = (clock.now() - self.seen_at).total_seconds()
        return not self.answers and age > SILENT_SECONDS


def depths() -> list[Depth]:
    """Return Celery's queues, then the streams of each serving shard.

    Raises:
        Unavailable: Valkey does not answer.
    """
    queues = [*QUEUES, *(f"serving.{shard}" for shard in settings.SERVING_SHARDS)]
    streams = [
        stream
        for shard in settings.SERVING_SHARDS
        for stream in (*names.queues(shard), names.usage(shard))
    ]
    try:
        return [*_queues(queues), *_streams(streams)]
    except RedisError as error:
        raise _unheard(error) from error


def _queues(names_: Sequence[str]) -> list[Depth]:
    prefix = settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
    ask = valkey.broker().pipeline(transaction=False)
    for name in names_:
        ask.llen(f"{prefix}{name}")
        ask.lindex(f"{prefix}{name}", -1)  # Celery takes from the right
    ask.hlen(f"{prefix}unacked")
    *answers, held = ask.execute()
    return [
        *(
            Depth(name, "queue", answers[2 * place], _age(answers[2 * place + 1]))
            for place, name in enumerate(names_)
        ),
        Depth("unacked", "queue", held),
    ]


def _streams(names_: Sequence[str]) -> list[Depth]:
    ask = valkey.serving().pipeline(transaction=False)
    for name in names_:
        ask.xlen(name)
        ask.xrange(name, count=1)
    answers = ask.execute()
    found = []
    for place, name in enumerate(names_):
        first = answers[2 * place + 1]
        oldest = time.time() - int(first[0][0].split("-")[0]) / 1000 if first else None
        shown = name.replace("{s", "serving.").replace("}:", " ")
        found.append(Depth(shown, "stream", answers[2 * place], oldest))
    return found


def _age(message: str | None) -> float | None:
    """Return how old a message of Celery is, by the header that `core.queue` gives it."""
    try:
        sent = json.loads(message or "")["headers"][queue.SENT_AT]
    except (ValueError, TypeError, KeyError):
        return None
    return max(0.0, time.time() - float(sent))


def workers() -> list[Worker]:
    """Return every worker that showed itself within a day, by name; asked at most every 5 s.

    Raises:
        Unavailable: Valkey does not answer.
    """
    try:
        there = presence.everybody()
        replies = cast("dict[str, tuple[Task, ...]] | None", cache.get(_REPLIES))
        if replies is None:
            replies = _ask()
            cache.set(_REPLIES, replies, timeout=KEPT_SECONDS)
    except (RedisError, OperationalError) as error:
        raise _unheard(error) from error
    return [
        Worker(one.name, one.at, one.name in replies, replies.get(one.name, ()), one.gpus)
        for one in there
    ]


def _ask() -> dict[str, tuple[Task, ...]]:
    """Broadcast "what are you at?" and collect answers; who is dead or stuck gives none."""
    inspect = queue.app.control.inspect(timeout=ANSWER_SECONDS)
    found = cast("dict[str, list[dict[str, Any]]]", inspect.active() or {})
    return {
        name: tuple(
            Task(str(task["name"]), str((task.get("kwargs") or {}).get("run_id", "")))
            for task in tasks
        )
        for name, tasks in found.items()
    }


def _unheard(error: Exception) -> Unavailable:
    logger.warning("ops_valkey_silent", error=str(error))
    return Unavailable(_("Valkey does not answer, so queues and workers can't be shown."))
