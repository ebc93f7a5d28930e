"""A process of its own for the benches: does what a line on its standard input says.

`seal`: seal over and over until the next line; `drain`: seal what there is; `migrate`: bring the
schema up to date; `alter`: apply a next release's migration to every tenant table. Each line is
answered by one with the seconds that it took.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
PAUSE = 0.5
"""Seconds between two seals: a tenth of what the scheduler waits."""


class Worker:
    """The other end: starts the process on a database and talks to it."""

    def __init__(self, database_url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.worker"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "DATABASE_URL": database_url, "STATEMENT_TIMEOUT_MS": "600000",
                 "DJANGO_SETTINGS_MODULE": "modelyard.settings.test",
                 "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}"},
        )  # fmt: skip
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.out, self.into = self.process.stdin, self.process.stdout

    def start(self, what: str) -> None:
        """Begin something that ends with the next line."""
        self.out.write(f"{what}\n")
        self.out.flush()

    def end(self) -> float:
        """Wait for the answer."""
        return float(self.into.readline())

    def do(self, what: str) -> float:
        """Let it be done; return the seconds that it took there."""
        self.start(what)
        return self.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.out.close()
        self.process.wait(60)


def _line_waits() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def _seal_on() -> None:
    from tenants.trail.services import trail_seal

    while not _line_waits():
        trail_seal()
        time.sleep(PAUSE)


def _drain() -> None:
    from tenants.trail.services import trail_seal

    trail_seal()


def _migrate() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def _tenant_models() -> list:
    from django.apps import apps

    from tenants.scoping.manager import TenantOwned

    return [model for model in apps.get_models() if issubclass(model, TenantOwned)]


def _alter() -> None:
    """Add a column, an index that leads with the tenant, and a checked constraint, everywhere."""
    from django.db import connection, migrations, models
    from django.db.migrations.loader import MigrationLoader

    state = MigrationLoader(connection).project_state()
    for model in _tenant_models():
        label, name = model._meta.label_lower.split(".")
        column = models.IntegerField(default=0, db_default=0)
        index = models.Index(
            fields=["tenant_id", "bench"], name=f"bench_{model._meta.db_table}"[:30]
        )
        check = models.CheckConstraint(
            condition=models.Q(bench__gte=0), name=f"bench_{model._meta.db_table}_ok"
        )
        step = migrations.Migration("bench", label)
        step.operations = [
            migrations.AddField(name, "bench", column),
            migrations.AddIndex(name, index),
            migrations.AddConstraint(name, check),
        ]
        with connection.schema_editor(atomic=True) as editor:
            state = step.apply(state, editor)


def _unalter() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for model in _tenant_models():
            cursor.execute(f"alter table {model._meta.db_table} drop column if exists bench")


DOES = {
    "seal": _seal_on, "drain": _drain, "migrate": _migrate, "alter": _alter, "unalter": _unalter,
    "stop": lambda: None,
}  # fmt: skip


def main() -> None:
    """Answer lines until there are none."""
    import django

    django.setup()
    # Unbuffered, so that `select` sees the line that waits.
    stdin = open(0, "rb", buffering=0)  # noqa: SIM115 - standard input itself
    while line := stdin.readline().decode().strip():
        started = time.monotonic()
        DOES[line]()
        if line != "seal":
            print(time.monotonic() - started, flush=True)


if __name__ == "__main__":
    main()
