"""Valkey and the workers: broker, cache, serving streams, and who works on which queue."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import redis
from django.conf import settings
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from modelyard.core import clock, queue, valkey
from modelyard.doctor.database import clock_compared
from modelyard.doctor.findings import Finding, State, fine, passed_over, plain, wrong
from modelyard.ops.fleet import QUEUES

ANSWER_SECONDS = 2.0
_STARTS = {
    "default": "worker-cpu",
    "imports": "worker-cpu",
    "billing": "worker-cpu",
    "training": "worker-train",
    "system": "beat",
}


def valkey_checks() -> list[Finding]:
    """Look at the databases of BROKER_URL, CACHE_URL and SERVING_URL."""
    found = [
        _answers("broker_reachable", "BROKER_URL", valkey.broker, "Celery's queues"),
        _answers("cache_reachable", "CACHE_URL", valkey.cache, "the cache and live events"),
        _answers("serving_reachable", "SERVING_URL", valkey.serving, "the streams of predictions"),
    ]
    doors = (("broker", valkey.broker, found[0]), ("serving", valkey.serving, found[2]))
    for name, door, reached in doors:
        codes = (f"{name}_keeps_keys", f"{name}_survives_restart")
        if reached.state is State.OK:
            found += _kept(name, codes, door())
        else:
            found += [passed_over(code, "This Valkey can't be asked.") for code in codes]
    if found[0].state is State.OK:
        found.append(_clock())
    return found


def _answers(code: str, variable: str, door: Any, holds: str) -> Finding:
    try:
        door().ping()
    except (RedisError, ValueError, OSError) as error:
        return wrong(
            code,
            f"The Valkey of {variable}, which holds {holds}, can't be reached: {plain(error)}.",
            f"Check host, port, password and database number in {variable}, and that it runs.",
        )
    return fine(code, f"The Valkey of {variable} answers; it holds {holds}.")


def _kept(name: str, codes: tuple[str, str], client: redis.Redis) -> list[Finding]:
    memory: Mapping[str, Any] = client.info("memory")
    disk: Mapping[str, Any] = client.info("persistence")
    policy = str(memory.get("maxmemory_policy", "unknown"))
    where = f"The Valkey of {name.upper()}_URL"
    keeps = fine(codes[0], f"{where} refuses writes when full, it does not drop keys.")
    if policy != "noeviction":
        keeps = wrong(
            codes[0],
            f"{where} drops keys when its memory is full (maxmemory-policy {policy}): tasks and "
            "metered predictions would vanish.",
            "Set `maxmemory-policy noeviction`, and give the cache a server of its own if needed.",
        )
    survives = fine(codes[1], f"{where} writes an append-only file.")
    if not disk.get("aof_enabled"):
        survives = wrong(
            codes[1],
            f"{where} keeps no append-only file: a restart loses tasks and metered predictions.",
            "Set `appendonly yes` and `appendfsync everysec`.",
        )
    return [keeps, survives]


def _clock() -> Finding:
    before = clock.now()
    seconds, micros = valkey.broker().time()
    there = dt.datetime.fromtimestamp(seconds + micros / 1e6, dt.UTC)
    return clock_compared("broker_clock", "Valkey's", there, before)


def worker_checks(*, broker_ok: bool, wanted: bool) -> list[Finding]:
    """Ask the workers themselves what they work on.

    Args:
        broker_ok: Whether the broker can be reached; without it nobody can be asked.
        wanted: False where no workers are expected to run.
    """
    codes = ("workers_on_queues", "model_servers")
    if not wanted:
        return [passed_over(code, "Left out by --no-workers.") for code in codes]
    if not broker_ok:
        return [passed_over(code, "Without the broker nobody can be asked.") for code in codes]
    try:
        consumed = _ask("active_queues")
        servers = _ask("serving_stats")
    except (OperationalError, RedisError) as error:
        return [
            wrong(
                codes[0],
                f"The workers can't be asked: {plain(error)}.",
                "See what the check of the broker says.",
            ),
            passed_over(codes[1], "The workers can't be asked."),
        ]
    return [_queues(codes[0], consumed), _model_servers(codes[1], servers)]


def _ask(command: str) -> dict[str, Any]:
    """Return worker name -> answer, of the workers that answer in time."""
    replies = queue.app.control.broadcast(command, reply=True, timeout=ANSWER_SECONDS) or []
    return {name: answer for reply in replies for name, answer in reply.items()}


def _queues(code: str, consumed: Mapping[str, Any]) -> Finding:
    worked_on = {str(row["name"]) for rows in consumed.values() for row in rows}
    wanted = [*QUEUES, *(f"serving.{shard}" for shard in settings.SERVING_SHARDS)]
    missing = [name for name in wanted if name not in worked_on]
    if missing:
        starts = sorted({_STARTS.get(name, "worker-serve") for name in missing})
        return wrong(
            code,
            f"No worker that answers takes tasks from {', '.join(missing)}; {len(consumed)} "
            "workers answered in all.",
            f"Start {', '.join(starts)}. If they run, look at their logs: they may hang, or have "
            "another BROKER_URL.",
        )
    return fine(code, f"{len(consumed)} workers answer, and each queue has one.")


def _model_servers(code: str, servers: Mapping[str, Any]) -> Finding:
    alive = sorted(name for name, stats in servers.items() if stats and "error" not in stats)
    wanted = len(settings.SERVING_SHARDS)
    if len(alive) < wanted:
        return wrong(
            code,
            f"{len(alive)} model servers answer, {wanted} are needed (SERVING_SHARDS): "
            "predictions wait until they time out.",
            "Start a worker-serve for each shard, with MODELYARD_SHARD set; see its log.",
        )
    return fine(code, f"{len(alive)} model servers answer: {', '.join(alive)}.")
