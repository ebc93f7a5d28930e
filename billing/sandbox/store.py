"""The stand-in's memory: one SQLite file of JSON objects, one call at a time."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from billing.sandbox.errors import Refused, missing

Body = dict[str, Any]

_SCHEMA = """
create table if not exists object (
  seq integer primary key autoincrement, id text unique not null, kind text not null,
  body text not null);
create index if not exists object_kind on object (kind, seq);
create table if not exists answer (
  key text primary key, asked text not null, status integer not null, body text not null);
create table if not exists delivery (
  event text not null, endpoint text not null, attempt integer not null default 0,
  due real not null, primary key (event, endpoint));
"""


class Store:
    """Objects by id, answers by idempotency key, deliveries that are due.

    Args:
        path: The file; `:memory:` keeps nothing.
    """

    def __init__(self, path: str) -> None:
        """Open the file and make what is missing."""
        self._lock = threading.RLock()
        self._sql = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._sql.execute("pragma journal_mode = wal")
        self._sql.execute("pragma synchronous = normal")
        self._sql.executescript(_SCHEMA)

    @contextmanager
    def call(self) -> Iterator[None]:
        """Hold the store for one call; a refusal leaves nothing behind."""
        with self._lock:
            self._sql.execute("begin immediate")
            try:
                yield
            except BaseException:
                self._sql.execute("rollback")
                raise
            self._sql.execute("commit")

    # --- Objects ------------------------------------------------------------------------------

    def put(self, body: Body) -> Body:
        """Write an object under its id, new or not."""
        self._sql.execute(
            "insert into object (id, kind, body) values (?, ?, ?)"
            " on conflict (id) do update set body = excluded.body",
            [body["id"], body["object"], json.dumps(body)],
        )
        return body

    def find(self, name: str) -> Body | None:
        """Return an object by id, whatever it is."""
        row = self._sql.execute("select body from object where id = ?", [name]).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def get(self, kind: str, name: str) -> Body:
        """Return an object by kind and id.

        Raises:
            Refused: 404 `resource_missing`.
        """
        body = self.find(name)
        if body is None or body["object"] != kind:
            raise missing(kind.rsplit(".", 1)[-1].replace("_", " "), name)
        return body

    def remove(self, name: str) -> None:
        """Forget an object."""
        self._sql.execute("delete from object where id = ?", [name])

    def every(self, kind: str, keep: Callable[[Body], bool] = bool) -> list[Body]:
        """Return the objects of a kind, newest first."""
        rows = self._sql.execute("select body from object where kind = ? order by seq desc", [kind])
        return [body for (text,) in rows if keep(body := json.loads(text))]

    # --- Answers under an idempotency key -----------------------------------------------------

    def answered(self, key: str, asked: str) -> tuple[int, str] | None:
        """Return what was answered under a key, or None.

        Raises:
            Refused: The key came with another request.
        """
        row = self._sql.execute(
            "select asked, status, body from answer where key = ?", [key]
        ).fetchone()
        if row is None:
            return None
        if row[0] != asked:
            raise Refused(
                "Keys for idempotent requests can only be used with the same parameters they were"
                f" first used with. Try using a key other than '{key}'.",
                kind="idempotency_error",
            )
        return int(row[1]), str(row[2])

    def remember(self, key: str, asked: str, status: int, body: str) -> None:
        """Keep an answer for its key."""
        self._sql.execute("insert into answer values (?, ?, ?, ?)", [key, asked, status, body])

    # --- Deliveries ---------------------------------------------------------------------------

    def deliver(self, event: str, endpoint: str) -> None:
        """Note that an event is due at an endpoint."""
        self._sql.execute(
            "insert into delivery (event, endpoint, due) values (?, ?, ?)"
            " on conflict (event, endpoint) do update set attempt = 0, due = excluded.due",
            [event, endpoint, time.time()],
        )

    def due(self) -> tuple[str, str, int] | None:
        """Return the next (event, endpoint, attempts so far) whose time has come."""
        with self._lock:
            row = self._sql.execute(
                "select event, endpoint, attempt from delivery where due <= ?"
                " order by due, rowid limit 1",
                [time.time()],
            ).fetchone()
        return None if row is None else (str(row[0]), str(row[1]), int(row[2]))

    def delivered(self, event: str, endpoint: str) -> None:
        """Note that a delivery arrived (or never will)."""
        with self._lock:
            self._sql.execute(
                "delete from delivery where event = ? and endpoint = ?", [event, endpoint]
            )

    def postponed(self, event: str, endpoint: str, seconds: float) -> None:
        """Note that a delivery failed and is due again later."""
        with self._lock:
            self._sql.execute(
                "update delivery set attempt = attempt + 1, due = ?"
                " where event = ? and endpoint = ?",
                [time.time() + seconds, event, endpoint],
            )

    def waiting(self) -> int:
        """Return how many deliveries have not arrived."""
        with self._lock:
            return int(self._sql.execute("select count(*) from delivery").fetchone()[0])


def fresh(prefix: str) -> str:
    """Return a new id as Stripe's look: `sub_` and 24 letters and digits."""
    return f"{prefix}_{secrets.token_hex(12)}"
