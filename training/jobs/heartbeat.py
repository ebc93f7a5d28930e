"""The heartbeat: a thread that renews the lease and stops the child when it must.

Its UPDATE brings back the run's state, so a cancel needs no other channel.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from training.jobs.child import Child
from training.jobs.states import RunStatus

logger = structlog.get_logger(__name__)

LOST = "lost"
CANCEL = "cancel"
STALLED = "stalled"
OVERTIME = "overtime"


class Heartbeat:
    """Beats inside a `with` block; `verdict` says why the child was stopped, or ''.

    Args:
        renew: Renews the right to the work and returns its state, None when it is lost.
        limit_seconds: How long the child may take.
        now: A clock that only goes forward.
    """

    def __init__(
        self,
        renew: Callable[[], str | None],
        *,
        limit_seconds: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.verdict = ""
        self._renew = renew
        self._limit = limit_seconds
        self._now = now
        self._child: Child | None = None
        self._started = self._heard = self._renewed = now()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def watch(self, child: Child) -> None:
        """Watch over the child from now on."""
        self._started = self._heard = self._now()
        self._child = child
        if self.verdict:
            child.stop()

    def heard(self) -> None:
        """Note that the child said something."""
        self._heard = self._now()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._over.wait(settings.RUN_HEARTBEAT_SECONDS):
                self._beat()
        finally:
            connection.close()

    def _beat(self) -> None:
        try:
            state = self._renew()
        except (DatabaseError, InterfaceError) as error:
            # The database may come back before the lease ends; after that nobody may go on.
            logger.warning("heartbeat_failed", error=str(error))
            connection.close()
            if self._now() - self._renewed > settings.RUN_LEASE_SECONDS:
                self._stop(LOST)
            return
        self._renewed = self._now()
        if state is None:
            self._stop(LOST)
        elif state == RunStatus.CANCELLING:
            self._stop(CANCEL)
        elif self._child is not None and self._now() - self._heard > settings.RUN_STALL_SECONDS:
            self._stop(STALLED)
        elif self._child is not None and self._now() - self._started > self._limit:
            self._stop(OVERTIME)

    def _stop(self, verdict: str) -> None:
        self.verdict = self.verdict or verdict
        if self._child is None:
            return
        if verdict in {LOST, STALLED}:
            self._child.kill()
        else:
            self._child.stop()
