"""The serving worker: a Celery worker that owns one model server.

`attach(app)` adds the step where `MODELYARD_SHARD` is set; tasks reach the server through
`current_server()`. Run it with the threads pool: a forked child has no handle on the server.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from celery import Celery, bootsteps
from celery.worker.control import control_command, inspect_command
from django.conf import settings

from training.serving.runtime.child import Child, ChildConfig, ServerDownError

logger = logging.getLogger(__name__)

SHARD_VARIABLE = "MODELYARD_SHARD"
DRAIN_SECONDS = 20.0


class _Slot:
    """Holds this process's model server, once the worker has started it."""

    child: Child | None = None


def current_server() -> Child:
    """Return the model server of this worker.

    Raises:
        ServerDownError: This process is no serving worker, or it has not started or is stopping.
    """
    if _Slot.child is None:
        raise ServerDownError(
            f"This worker runs no model server; start it with {SHARD_VARIABLE} set."
        )
    return _Slot.child


class ModelServerStep(bootsteps.StartStopStep):
    """Starts the model server with the worker and drains it when the worker stops."""

    requires = ("celery.worker.components:Pool",)

    def start(self, worker: Any) -> None:
        """Start and supervise the child under the worker's own, stable node name."""
        cache = Path(settings.SERVING_CACHE_DIR).resolve()
        cache.mkdir(parents=True, exist_ok=True)
        config = ChildConfig(
            shard=os.environ[SHARD_VARIABLE],
            name=worker.hostname,
            url=settings.SERVING_URL,
            cache=cache,
            cache_bytes=settings.SERVING_CACHE_BYTES,
        )
        _Slot.child = Child(config)
        _Slot.child.start()
        logger.info("model server of shard %s starts", config.shard)

    def stop(self, worker: Any) -> None:
        """Let the server finish what it holds and leave."""
        child, _Slot.child = _Slot.child, None
        if child is not None:
            child.drain(DRAIN_SECONDS)

    def terminate(self, worker: Any) -> None:
        """Drain on a cold stop too: callers are waiting for what is held."""
        self.stop(worker)


def attach(app: Celery) -> None:
    """Add the model server to this app's workers where a shard is named."""
    if os.environ.get(SHARD_VARIABLE):
        app.steps["worker"].add(ModelServerStep)


@control_command(args=[("version", str)], signature="<version id>")
def serving_drop(state: Any, version: str) -> dict[str, object]:
    """Let a model version go, on every serving worker that hears this."""
    if _Slot.child is not None:
        _Slot.child.drop(version)
    return {"ok": version}


@control_command(args=[("version", str), ("pinned", int)], signature="<version id> <0|1>")
def serving_pin(state: Any, version: str, pinned: int) -> dict[str, object]:
    """Keep a model version from eviction, or stop that, on every serving worker."""
    if _Slot.child is not None:
        _Slot.child.pin(version, pinned=bool(pinned))
    return {"ok": version}


@inspect_command()
def serving_stats(state: Any) -> dict[str, Any]:
    """Return the model server's counters and loaded versions; empty on other workers."""
    return {} if _Slot.child is None else _Slot.child.stats(timeout=1.0)
