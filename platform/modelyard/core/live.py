"""Live events to the browser: a Valkey channel rings, the table is the truth.

`publish` says "there is news on this topic"; the SSE response then asks its `read` callable
for what came after the last id, so a lost or doubled ring loses and doubles nothing.
Server-sent events: WHATWG HTML, section 9.2.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

import redis.asyncio
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections, transaction

from modelyard.core import valkey

PING_SECONDS = 15.0
STREAM_SECONDS = 600.0

Event = tuple[int, str, dict[str, object]]
"""Sequence number, kind, payload."""


def publish(topic: str) -> None:
    """Ring `topic` after the current transaction has committed."""
    transaction.on_commit(partial(_ring, topic))


def _ring(topic: str) -> None:
    valkey.cache().publish(f"live:{topic}", "1")


def _frame(event: Event) -> str:
    number, kind, payload = event
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps(payload, ensure_ascii=False)}\n\n"


def _read_and_release(read: Callable[[int], Sequence[Event]], after: int) -> Sequence[Event]:
    """Read on a pool's thread and give its database login back: a stream holds none."""
    try:
        return read(after)
    finally:
        connections.close_all()


async def stream(
    topic: str, read: Callable[[int], Sequence[Event]], *, after: int, final: frozenset[str]
) -> AsyncIterator[str]:
    """Yield SSE frames: what `read` has after `after`, then the news as it comes.

    Args:
        topic: What `publish` rings.
        read: Blocking reader of events with a number above its argument, in order.
        after: The last number the browser has (Last-Event-ID).
        final: Kinds after which the stream ends.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + STREAM_SECONDS
    last = after
    client = redis.asyncio.Redis.from_url(settings.CACHE_URL, decode_responses=True)
    channel = client.pubsub()
    try:
        await channel.subscribe(f"live:{topic}")
        yield "retry: 2000\n\n"
        while loop.time() < end:
            for event in await sync_to_async(_read_and_release, thread_sensitive=False)(read, last):
                last = event[0]
                yield _frame(event)
                if event[1] in final:
                    yield "event: end\ndata: {}\n\n"
                    return
            rung = await channel.get_message(ignore_subscribe_messages=True, timeout=PING_SECONDS)
            if rung is None:
                yield ": ping\n\n"
    finally:
        await channel.aclose()  # type: ignore[no-untyped-call]
        await client.aclose()
