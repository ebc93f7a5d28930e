"""A real worker of the queue `imports` on this test's database, as `modelyard up` starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from modelyard.core import ids
from modelyard.core.queue import app
from tenants.scoping.context import tenant_scope
from tests import stack as session
from tests.factories_datasets import again
from tests.webserver import web_login
from training.datasets.models import Dataset, SearchIndex, Upload

OVER = {"done", "rejected", "abandoned"}


@contextmanager
def imports_worker(**more: str) -> Iterator[int]:
    """Run the worker until the block ends, in which tasks go to it; yield its process id.

    At the end it is killed with all below it: it may be making rows searchable for minutes.
    """
    mark = session.STATE / f"worker-{ids.new().hex}"
    env = {
        **os.environ,
        "DATABASE_URL": web_login(),
        "DJANGO_SETTINGS_MODULE": "modelyard.settings.dev",
        "SECRET_KEY": settings.SECRET_KEY,
        "API_KEY_PEPPER": settings.API_KEY_PEPPER,
        "LOG_FORMAT": "json",
        "MODELYARD_READY_FILE": str(mark.with_suffix(".ready")),
        **more,
    }
    command = [sys.executable, "-m", "celery", "-A", "modelyard", "worker", "-Q", "imports"]
    command += ["-n", f"{mark.name}@%h", "-c", "1", "--without-gossip", "--without-mingle"]
    log = mark.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=env, stdout=output, stderr=output, start_new_session=True
        )
    try:
        wait(lambda: mark.with_suffix(".ready").exists(), 60, process, log)
        app.conf.task_always_eager = False
        yield process.pid
    finally:
        app.conf.task_always_eager = True
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait(
    true: Callable[[], bool], seconds: float, process: subprocess.Popen[bytes], log: Path
) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not true():
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < end, log.read_text()[-3000:]
        time.sleep(0.05)


def searchable(dataset: Dataset) -> None:
    """Wait until search covers all rows of a dataset."""
    end = time.monotonic() + 1200
    while time.monotonic() < end:
        with tenant_scope(dataset.tenant_id):
            if SearchIndex.objects.filter(dataset=dataset, status="done").exists():
                return
        time.sleep(0.2)
    raise TimeoutError("search does not cover the rows")


def ended(upload: Upload, status: str = "done") -> Upload:
    """Wait until an upload is `status`, and return it so."""
    end = time.monotonic() + 1200
    while (upload := again(upload)).status != status:
        assert upload.status not in OVER, (upload.status, upload.error_code, upload.error_data)
        assert time.monotonic() < end, (upload.status, upload.rows_read)
        time.sleep(0.1)
    return upload
