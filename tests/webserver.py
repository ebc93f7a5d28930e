"""A real web process on this test's database: uvicorn, logged in as the web role, nothing else.

The test itself keeps its own login (the web role may not truncate tables between tests).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx2
from django.conf import settings
from django.db import connection

from modelyard.core import ids
from tests import stack as session
from tests.site import stack


@dataclass(frozen=True)
class WebProcess:
    """A running web process."""

    url: str
    log: Path
    pid: int


def web_login() -> str:
    """Return the address of this test's database with the web role."""
    parts = urlsplit(os.environ["WEB_DATABASE_URL"])
    return urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))


@contextmanager
def web_process(app: str = "modelyard.asgi:application", **more: str) -> Iterator[WebProcess]:
    """Run the site's web process until the block ends; `more` are variables of its settings."""
    port = stack().ports.port(session.mine("walk"))
    url = f"http://localhost:{port}"
    env = {
        **os.environ,
        "DATABASE_URL": web_login(),
        "DJANGO_SETTINGS_MODULE": "modelyard.settings.dev",
        "SECRET_KEY": settings.SECRET_KEY,
        "API_KEY_PEPPER": settings.API_KEY_PEPPER,
        **session.valkey_urls("web"),
        "SITE_URL": url,
        "API_LIMITS_FACTOR": "100000",
        "LOG_FORMAT": "json",
        "PYTHONUNBUFFERED": "1",
        **more,
    }
    env.pop("SERVING_URL", None)
    log = session.STATE / f"web-{ids.new().hex}.log"
    command = [sys.executable, "-m", "uvicorn", app]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "2"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--no-access-log", "--no-proxy-headers", "--log-level", "warning"],
            env=env,
            stdout=output,
            stderr=output,
        )
        try:
            _wait_for(url, process, log)
            yield WebProcess(url, log, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 180  # seconds of a machine that may be very busy
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            if httpx2.get(f"{url}/livez", timeout=2).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.1)
    raise TimeoutError(log.read_text()[-3000:])
