"""The model server's side of Valkey: read, claim, beat, finish. One connection, one thread."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from training.serving.runtime import names, scripts
from training.serving.runtime.batcher import Request

CLAIM_IDLE_MS = 1000
"""An entry untouched for this long belongs to a server that is gone."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An entry that was read and not finished."""

    queue: str
    id: str
    deliveries: int


@dataclass(frozen=True, slots=True)
class Result:
    """What to answer to one entry: a status, and for `ok` the body and its tokens."""

    queue: str
    id: str
    status: str
    tokens: int = 0
    body: str = ""


def connect(url: str, *, timeout: float = 3.0, connections: int = 4) -> redis.Redis:
    """Return a client that never repeats a command by itself and speaks RESP2."""
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        protocol=2,
        socket_timeout=timeout,
        socket_connect_timeout=2.0,
        retry=Retry(NoBackoff(), 0),
        max_connections=connections,
    )


class Streams:
    """The request streams of one shard, seen by the server `name`."""

    def __init__(self, url: str, *, shard: str, name: str) -> None:
        self._client = connect(url)
        self._name = name
        self._queues = names.queues(shard)
        self._alive = names.alive(shard)
        self._finish_keys = [names.inflight(shard), names.usage(shard)]
        self._finish = self._client.register_script(scripts.FINISH)
        self._offset = 0.0

    def enter(self) -> None:
        """Connect afresh, make the consumer group and take Valkey's clock."""
        self._client.connection_pool.disconnect()
        for queue in self._queues:
            try:
                self._client.xgroup_create(queue, names.GROUP, id="0", mkstream=True)
            except redis.ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise
        self._sync()

    def now(self) -> int:
        """Return milliseconds by Valkey's clock, without asking it."""
        return int(time.monotonic() * 1000 + self._offset)

    def beat(self) -> None:
        """Take the clock again and say that this server is alive."""
        self._sync()
        self._client.zadd(self._alive, {self._name: self.now()})

    def leave(self) -> None:
        """Stop counting as alive: the door lets nobody in on this server's account."""
        self._client.zrem(self._alive, self._name)

    def others_alive(self) -> bool:
        """Return whether another server of the shard is alive."""
        since = self.now() - names.ALIVE_WINDOW_MS
        found = cast("list[str]", self._client.zrangebyscore(self._alive, since, "+inf"))
        return any(name != self._name for name in found)

    def empty(self) -> bool:
        """Return whether every accepted request of the shard is decided."""
        return not any(self._client.xlen(queue) for queue in self._queues)

    def read(self, count: int, *, second_first: bool) -> list[Request]:
        """Return up to `count` new entries of one stream, the other's when that has none."""
        order = reversed(self._queues) if second_first else self._queues
        for queue in order:
            found = self._read([queue], count, None)
            if found:
                return found
        return []

    def wait(self, count: int, block_ms: int) -> list[Request]:
        """Return the first new entries of either stream, waiting up to `block_ms`."""
        return self._read(list(self._queues), count, block_ms)

    def own_pending(self) -> list[Pending]:
        """Return what a server of this name read and did not finish."""
        return [
            item for queue in self._queues for item in self._pending(queue, consumer=self._name)
        ]

    def abandoned(self) -> list[Pending]:
        """Return what other servers read long ago and did not finish."""
        return [item for queue in self._queues for item in self._pending(queue, idle=CLAIM_IDLE_MS)]

    def claim(self, pending: Pending, *, own: bool) -> Request | None:
        """Take one entry over; None when somebody else did, or it is decided."""
        found = cast(
            "list[Any]",
            self._client.xclaim(
                pending.queue, names.GROUP, self._name, 0 if own else CLAIM_IDLE_MS, [pending.id]
            ),
        )
        entries = [entry for entry in found if entry and entry[1]]
        return self._request(pending.queue, *entries[0]) if entries else None

    def touch(self, requests: list[Request]) -> None:
        """Show that these entries are still being worked on; no delivery is counted."""
        for queue in self._queues:
            ids = tuple(request.id for request in requests if request.queue == queue)
            if ids:
                self._client.xclaim(queue, names.GROUP, self._name, 0, [*ids], justid=True)

    def finish(self, results: list[Result]) -> list[str]:
        """Answer and meter; return per result the status sent, "" if it was already decided."""
        args: list[str | int] = [names.GROUP]
        for result in results:
            args += [result.queue, result.id, result.status, result.tokens, result.body]
        return cast("list[str]", self._finish(keys=self._finish_keys, args=args))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _sync(self) -> None:
        seconds, micros = self._client.time()
        self._offset = seconds * 1000 + micros / 1000 - time.monotonic() * 1000

    def _read(self, queues: list[str], count: int, block_ms: int | None) -> list[Request]:
        found = cast(
            "list[Any] | None",
            self._client.xreadgroup(
                names.GROUP,
                self._name,
                dict.fromkeys(queues, ">"),
                count=count,
                block=block_ms,
            ),
        )
        return [
            self._request(queue, entry_id, fields)
            for queue, entries in found or []
            for entry_id, fields in entries
        ]

    def _pending(self, queue: str, *, consumer: str = "", idle: int = 0) -> list[Pending]:
        found = cast(
            "list[dict[str, Any]]",
            self._client.xpending_range(
                queue,
                names.GROUP,
                min="-",
                max="+",
                count=100,
                consumername=consumer or None,
                idle=idle or None,
            ),
        )
        return [
            Pending(queue, item["message_id"], item["times_delivered"])
            for item in found
            if consumer or item["consumer"] != self._name
        ]

    def _request(self, queue: str, entry_id: str, fields: dict[str, str]) -> Request:
        return Request(
            queue=queue,
            id=entry_id,
            deployment=fields["deployment"],
            version=fields["version"],
            deadline=int(fields["deadline"]),
            texts=json.loads(fields["texts"]),
            received=self.now(),
        )
