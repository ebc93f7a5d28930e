"""One web process's wait for answers: many request threads, one reply stream, one reader.

Made on first use after a fork: a reader thread does not survive one.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, cast

import redis

from training.serving.runtime import names, scripts
from training.serving.runtime.streams import connect

logger = logging.getLogger(__name__)

DEPTH = 2000
"""Undecided requests a shard may have: its throughput times the deadline."""
GRACE_SECONDS = 1.0
"""How long to wait on for an answer that was decided just before the deadline."""
REPEAT_SECONDS = 0.1
LOST = (redis.ConnectionError, redis.TimeoutError, redis.OutOfMemoryError)


@dataclass(slots=True)
class Ticket:
    """One call of the door; `answer` is set by the reader, then `lock` is released."""

    nonce: str = field(default_factory=lambda: uuid.uuid4().hex)
    lock: threading.Lock = field(default_factory=threading.Lock)
    answer: tuple[str, str] | None = None


class Mux:
    """The door, the reply stream and the waiters of one process."""

    def __init__(self, url: str) -> None:
        self.client = connect(url, connections=256)
        self._door = self.client.register_script(scripts.DOOR)
        self._cancel = self.client.register_script(scripts.CANCEL)
        self._reader_client = connect(url, timeout=5.0)
        self._waiting: dict[str, Ticket] = {}
        self._closed = threading.Event()
        self.reply = names.reply(uuid.uuid4().hex)
        self._reader = threading.Thread(target=self._read, name="replies", daemon=True)
        self._reader.start()

    def open(self) -> Ticket:
        """Begin to listen for one answer."""
        ticket = Ticket()
        ticket.lock.acquire()
        self._waiting[ticket.nonce] = ticket
        return ticket

    def forget(self, ticket: Ticket) -> None:
        """Stop listening."""
        self._waiting.pop(ticket.nonce, None)

    def enter(self, digest: str, args: list[str | int], *, until: float) -> list[str]:
        """Call the door; on a broken connection again, with the same nonce, until the deadline.

        Raises:
            redis.ConnectionError, redis.TimeoutError: Valkey stayed out of reach; whether the
                request entered is not known.
        """
        while True:
            try:
                found = self._door(keys=[names.key_record(digest)], args=args)
                return cast("list[str]", found)
            except LOST:
                if time.monotonic() + REPEAT_SECONDS > until:
                    raise
                time.sleep(REPEAT_SECONDS)

    def wait(self, ticket: Ticket, until: float) -> tuple[str, str] | None:
        """Return status and body of the answer, or None at the deadline."""
        ticket.lock.acquire(timeout=max(0.0, until - time.monotonic()))
        return ticket.answer

    def cancel(self, ticket: Ticket, key: str, mark: str = "") -> str:
        """Give up on a request.

        Args:
            ticket: The call.
            key: The request's idempotency hash; with `mark`, the key record instead.
            mark: Last part of the idempotency hash's name, when the door never answered.

        Returns:
            `cancelled`: surely neither answered nor charged. `decided`: an answer is on its
            way. `unknown`: Valkey cannot say.
        """
        try:
            return cast("str", self._cancel(keys=[key], args=[ticket.nonce, names.GROUP, mark]))
        except LOST as error:
            logger.warning("a request could not be cancelled: %s", error)
            return "unknown"

    def close(self) -> None:
        """Stop the reader and close the connections."""
        self._closed.set()
        self._reader.join(5)
        self.client.delete(self.reply)
        self.client.close()
        self._reader_client.close()

    def _read(self) -> None:
        last = "0-0"
        while not self._closed.is_set():
            try:
                found = cast(
                    "list[Any] | None",
                    self._reader_client.xread({self.reply: last}, count=256, block=500),
                )
            except redis.RedisError as error:
                logger.warning("the reply stream was lost and is read again: %s", error)
                self._closed.wait(REPEAT_SECONDS)
                continue
            for _, entries in found or []:
                for entry_id, fields in entries:
                    self._deliver(fields)
                    last = entry_id

    def _deliver(self, fields: dict[str, str]) -> None:
        ticket = self._waiting.pop(fields["nonce"], None)
        if ticket is not None:
            ticket.answer = (fields["status"], fields["body"])
            ticket.lock.release()
