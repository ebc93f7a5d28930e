"""A running site: the schema brought up to date, then web, console, workers and scheduler.

With `BILLING=sandbox` the stand-in for Stripe runs beside them.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from billing import plans
from modelyard.embedded.errors import StackError
from modelyard.embedded.guard import Guard
from modelyard.embedded.supervisor import ProcessSpec, Supervisor, http_answers

_CELERY = ("-m", "celery", "-A", "modelyard", "worker", "--loglevel", "INFO")
_QUIET = ("--without-gossip", "--without-mingle")
_THREADS = ("-P", "threads", "-c")


@dataclass(frozen=True)
class Place:
    """Where a site runs.

    Attributes:
        state: Folder for mail, caches and marks of readiness.
        port: Port of the web process on loopback.
        ops_port: Port of the operators' console.
        env: The variables of its settings, the three database logins among them.
        stripe_port: Port of the stand-in for Stripe; used with `BILLING=sandbox` only.
    """

    state: Path
    port: int
    ops_port: int
    env: Mapping[str, str]
    stripe_port: int = 0

    @property
    def url(self) -> str:
        """The site's address: by name, since passkeys and cookies need one."""
        return f"http://localhost:{self.port}"

    @property
    def ops_url(self) -> str:
        """The console's address."""
        return f"http://localhost:{self.ops_port}"

    @property
    def stripe_url(self) -> str:
        """The address of the stand-in for Stripe; '' where none runs."""
        billing = self.env.get("BILLING") or os.environ.get("BILLING", "off")
        wanted = billing == "sandbox" and self.stripe_port
        return f"http://localhost:{self.stripe_port}" if wanted else ""


_WARNINGS = ("--log-level", "warning")


def _touched(mark: Path) -> Callable[[], bool]:
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.unlink(missing_ok=True)
    return mark.exists


def _web(place: Place, name: str, app: str, port: int, env: Mapping[str, str]) -> ProcessSpec:
    arguments = ("-m", "uvicorn", app, "--host", "127.0.0.1", "--port", str(port))
    return ProcessSpec(
        name=name,
        argv=(sys.executable, *arguments, "--no-access-log", "--no-proxy-headers", *_WARNINGS),
        env={**env},
        ready=http_answers(f"http://127.0.0.1:{port}/livez"),
        stop_order=20,
        stop_timeout=10,
    )


def _worker(place: Place, name: str, queues: str, *more: str, **env: str) -> ProcessSpec:
    mark = place.state / "run" / f"{name}.ready"
    return ProcessSpec(
        name=name,
        argv=(sys.executable, *_CELERY, *_QUIET, "-n", f"{name}@%h", "-Q", queues, *more),
        env={**env, "MODELYARD_READY_FILE": str(mark)},
        ready=_touched(mark),
        stop_order=10,
        stop_timeout=25,
    )


def _stripe(place: Place) -> ProcessSpec:
    arguments = (
        *("--port", str(place.stripe_port)),
        *("--state", str(place.state / "stripe.sqlite")),
        *("--prices", json.dumps(plans.price_list())),
        *("--webhook", f"http://127.0.0.1:{place.port}/stripe/webhook"),
    )
    return ProcessSpec(
        name="stripe",
        argv=(sys.executable, "-m", "billing.sandbox", *arguments),
        ready=http_answers(f"{place.stripe_url}/healthz"),
        stop_order=30,
        stop_timeout=5,
    )


def _stripe_words(place: Place) -> dict[str, str]:
    """Return address and secrets of the stand-in: this site's own, and the same at each start."""
    seed = place.env.get("SECRET_KEY", "")
    word = hashlib.sha256(f"stripe sandbox {seed}".encode()).hexdigest()[:32]
    return {
        "STRIPE_API_URL": place.stripe_url,
        "STRIPE_SECRET_KEY": f"sk_test_{word[:16]}",
        "STRIPE_WEBHOOK_SECRET": f"whsec_{word[16:]}",
    }


def processes(place: Place) -> list[ProcessSpec]:
    """Return the platform's processes; only console and scheduler get the ops login."""
    ops_login = place.env["OPS_DATABASE_URL"]
    return [
        *([_stripe(place)] if place.stripe_url else []),
        _web(place, "web", "modelyard.asgi:application", place.port, {}),
        _web(
            place,
            "ops",
            "modelyard.ops.asgi:application",
            place.ops_port,
            {"DATABASE_URL": ops_login, "DJANGO_SETTINGS_MODULE": "modelyard.settings.ops"},
        ),
        _worker(place, "worker-cpu", "billing,default,imports", "-P", "prefork", "-c", "2"),
        _worker(place, "worker-train", "training", *_THREADS, "1"),
        _worker(place, "worker-serve", "serving.0", *_THREADS, "4", MODELYARD_SHARD="0"),
        _worker(place, "beat", "system", "-B", *_THREADS, "2", DATABASE_URL=ops_login),
    ]


def environment(place: Place) -> dict[str, str]:
    """Return the variables of every process of the site."""
    return {
        "DJANGO_SETTINGS_MODULE": "modelyard.settings.dev",
        **place.env,
        "MODELYARD_STATE": str(place.state),
        "SITE_URL": place.url,
        "OPS_URL": place.ops_url,
        **(_stripe_words(place) if place.stripe_url else {}),
    }


def manage(place: Place, *arguments: str) -> str:
    """Run one command of `manage.py` as the schema's owner and return what it printed.

    Raises:
        StackError: `command_failed`, with its last lines.
    """
    env = {**os.environ, **environment(place), "DATABASE_URL": place.env["OWNER_DATABASE_URL"]}
    done = subprocess.run(
        [sys.executable, "-m", "modelyard", *arguments],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-12:])
        raise StackError("command_failed", f"`{' '.join(arguments)}` failed:\n{tail}")
    return done.stdout


class Site:
    """The site, ready inside a `with` block.

    Args:
        place: Where.
        guard: The stack's watchdog, so that nothing outlives this process.
        output: Gets every line of every process, prefixed.
    """

    def __init__(self, place: Place, *, guard: Guard | None, output: TextIO) -> None:
        """Prepare; nothing starts yet."""
        self.place = place
        self.supervisor = Supervisor(
            processes(place), env=environment(place), guard=guard, output=output
        )

    def __enter__(self) -> Self:
        """Migrate, then start everything; returns when each process is ready."""
        manage(self.place, "migrate", "--no-input", "--verbosity", "0")
        self.supervisor.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop in order."""
        self.supervisor.stop()
