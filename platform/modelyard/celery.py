"""The workers' end of the Celery application: tasks are found by app, the schedule is here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery.signals import heartbeat_sent, setup_logging, worker_ready
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "modelyard.settings.dev")

# After the line above, since Celery looks for the settings when it is made.
from modelyard.core.queue import app
from training.serving.worker import attach

app.autodiscover_tasks()
attach(app)
app.conf.beat_schedule = {
    "reap": {"task": "runs.reap", "schedule": settings.RUN_REAP_SECONDS},
    "sweep": {"task": "runs.sweep", "schedule": settings.RUN_SWEEP_AFTER_SECONDS},
    "sweep-imports": {"task": "datasets.sweep", "schedule": settings.RUN_SWEEP_AFTER_SECONDS},
    "sweep-deployments": {"task": "serving.sweep", "schedule": settings.RUN_SWEEP_AFTER_SECONDS},
    "sweep-stripe": {"task": "billing.sweep_events", "schedule": settings.RUN_SWEEP_AFTER_SECONDS},
    "reconcile-stripe": {"task": "billing.reconcile", "schedule": 24 * 3600.0},
    "flush-usage": {"task": "billing.flush_usage", "schedule": settings.USAGE_FLUSH_SECONDS},
}
app.conf.beat_schedule_filename = str(settings.STATE_DIR / "beat")


@setup_logging.connect
def keep_our_logs(**_: Any) -> None:
    """Stop Celery from replacing the log set-up of `core.observe`."""


@worker_ready.connect
def mark_ready(**_: Any) -> None:
    """Touch the file by which whoever started the worker sees that it takes tasks."""
    mark = os.environ.get("MODELYARD_READY_FILE")
    if mark:
        Path(mark).touch()


@heartbeat_sent.connect
def mark_alive(**_: Any) -> None:
    """Touch the same file at every heartbeat, so that a health check sees a worker that hangs."""
    mark = os.environ.get("MODELYARD_READY_FILE")
    if mark and Path(mark).exists():
        Path(mark).touch()
