"""The states of a run and its moves; each move is one conditional UPDATE with an event row."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from modelyard.core.states import StateMachine


class RunStatus(models.TextChoices):
    """Where a run is."""

    QUEUED = "queued", _("queued")
    STARTING = "starting", _("starting")
    RUNNING = "running", _("running")
    SAVING = "saving", _("saving")
    CANCELLING = "cancelling", _("cancelling")
    SUCCEEDED = "succeeded", _("succeeded")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


HELD = frozenset({RunStatus.STARTING, RunStatus.RUNNING, RunStatus.SAVING, RunStatus.CANCELLING})
"""States in which a worker holds a lease on the run."""

WORKING = HELD - {RunStatus.CANCELLING}
"""States in which a worker may still write what it found."""

FINAL = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED})
"""States in which nothing more happens by itself."""

RUN = StateMachine(
    "run",
    {
        RunStatus.QUEUED: frozenset({RunStatus.STARTING, RunStatus.FAILED, RunStatus.CANCELLED}),
        RunStatus.STARTING: frozenset(
            {RunStatus.RUNNING, RunStatus.QUEUED, RunStatus.FAILED, RunStatus.CANCELLING}
        ),
        RunStatus.RUNNING: frozenset(
            {RunStatus.SAVING, RunStatus.QUEUED, RunStatus.FAILED, RunStatus.CANCELLING}
        ),
        RunStatus.SAVING: frozenset({RunStatus.SUCCEEDED, RunStatus.QUEUED, RunStatus.FAILED}),
        RunStatus.CANCELLING: frozenset({RunStatus.CANCELLED}),
        RunStatus.FAILED: frozenset({RunStatus.QUEUED}),
        RunStatus.SUCCEEDED: frozenset(),
        RunStatus.CANCELLED: frozenset(),
    },
)
