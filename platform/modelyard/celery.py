"""The workers' end of the Celery application: tasks are found by app, the schedule is here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery.signals import heartbeat_sent, setup_logging, worker_ready
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "modelyard.settings.dev")

# After the line above, since Celery looks for the settings when it is made.
from modelyard.core import presence
from modelyard.core.queue import app
from training.serving.worker import attach

app.autodiscover_tasks()
attach(app)
app.conf.beat_schedule = {
    "reap": {"task": "runs.reap", "schedule": settings.RUN_REAP_SECONDS},
    "sweep": {"task": "runs.sweep", "schedule": settings.RUN_SWEEP_AFTER_SECONDS},
    "sweep-imports": {"task": "datasets.sweep", "schedule": settings.RUN_SWEEP_AFTER_SECONDS},
    "sweep-parts": {"task": "datasets.sweep_parts", "schedule": 3600.0},
    "start-pulls": {"task": "datasets.pulls_due", "schedule": 30.0},
    "sweep-deployments": {"task": "serving.sweep", "schedule": settings.RUN_SWEEP_AFTER_SECONDS},
    "sweep-stripe": {"task": "billing.sweep_events", "schedule": settings.RUN_SWEEP_AFTER_SECONDS},
    "seal-trail": {"task": "trail.seal", "schedule": settings.AUDIT_SEAL_SECONDS},
    "sweep-trail": {"task": "trail.sweep", "schedule": 600.0},
    "sweep-invitations": {"task": "members.sweep", "schedule": settings.RUN_SWEEP_AFTER_SECONDS},
    "sweep-rights": {"task": "rights.sweep", "schedule": settings.RUN_SWEEP_AFTER_SECONDS},
    "recheck-controls": {"task": "controls.recheck", "schedule": 3.0},
    "retain": {"task": "rights.retain", "schedule": 24 * 3600.0},
    "reconcile-stripe": {"task": "billing.reconcile", "schedule": 24 * 3600.0},
    "write-key-use": {"task": "tenants.key_use_write", "schedule": 15.0},
    # A key that was revoked is refused everywhere within 5 s, even if its drop was lost.
    "recheck-keys": {"task": "tenants.key_copies_recheck", "schedule": 3.0},
    "purge-answers": {"task": "tenants.idempotency_purge", "schedule": 3600.0},
    "flush-usage": {"task": "billing.flush_usage", "schedule": settings.USAGE_FLUSH_SECONDS},
}
app.conf.beat_schedule_filename = str(settings.STATE_DIR / "beat")


@setup_logging.connect
def keep_our_logs(**_: Any) -> None:
    """Stop Celery from replacing the log set-up of `core.observe`."""


@worker_ready.connect
def mark_ready(**_: Any) -> None:
    """Touch the file by which whoever started the worker sees that it takes tasks."""
    presence.watch_gpus()
    mark = os.environ.get("MODELYARD_READY_FILE")
    if mark:
        Path(mark).touch()


@heartbeat_sent.connect
def mark_alive(sender: Any, **_: Any) -> None:
    """Touch the same file at every heartbeat, so that a health check sees a worker that hangs."""
    presence.show(sender.eventer.hostname)
    mark = os.environ.get("MODELYARD_READY_FILE")
    if mark and Path(mark).exists():
        Path(mark).touch()
