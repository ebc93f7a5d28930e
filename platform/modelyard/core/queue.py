"""The doorbell: tasks are rung by name, after commit, with ids only.

The database row is the queue of record; a lost message costs a sweep, never the work.
"""

from __future__ import annotations

from functools import partial

from celery import current_app
from django.db import transaction


def enqueue(name: str, /, *, queue: str | None = None, **arguments: str | int) -> None:
    """Ring task `name` once the current transaction has committed.

    Args:
        name: Registered task name, e.g. `runs.execute`; a typo raises at once.
        queue: Another queue than the task's own (a shard's).
        arguments: Ids and small integers, nothing else.

    Raises:
        KeyError: No task of that name.
    """
    task = current_app.tasks[name]
    options = {"queue": queue} if queue else {}
    transaction.on_commit(partial(task.apply_async, kwargs=arguments, **options))
