"""The doorbell: tasks are rung by name, after commit, with ids only.

The database row is the queue of record; a lost message costs a sweep, never the work.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from celery import Celery
from celery.signals import before_task_publish
from django.db import transaction

app = Celery("modelyard")
"""The one Celery application of every process: whoever imports this can ring."""

app.config_from_object("django.conf:settings", namespace="CELERY")


SENT_AT = "sent_at"
"""Header of a message: Unix time of its sending, by which its age in the queue is known."""


@before_task_publish.connect
def _stamp(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None:
        headers[SENT_AT] = time.time()


def enqueue(name: str, /, *, queue: str | None = None, **arguments: str | int) -> None:
    """Ring task `name` once the current transaction has committed.

    Args:
        name: Registered task name, e.g. `runs.execute`; a typo raises at once.
        queue: Another queue than the task's own (a shard's).
        arguments: Ids and small integers, nothing else.

    Raises:
        KeyError: No task of that name.
    """
    task = app.tasks[name]
    options: dict[str, Any] = {"queue": queue} if queue else {}
    transaction.on_commit(partial(task.apply_async, kwargs=arguments, **options))
