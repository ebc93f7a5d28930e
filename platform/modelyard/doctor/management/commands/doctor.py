"""`modelyard doctor`: look at every part, say what is wrong and what to do about it."""

from __future__ import annotations

import dataclasses
import json
from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from modelyard.doctor.database import database_checks
from modelyard.doctor.findings import Finding, State
from modelyard.doctor.host import host_checks
from modelyard.doctor.queues import valkey_checks, worker_checks
from modelyard.doctor.store import store_checks

_WORDS = {State.OK: "ok", State.WRONG: "WRONG", State.PASSED_OVER: "-"}


class Command(BaseCommand):
    """Look at every part."""

    help = (
        "Look at database, Valkey, workers, object store, mail and this host with the settings of "
        "this process, and say what is wrong. The exit status is 1 when anything is."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        parser.add_argument("--json", action="store_true", help="one JSON document")
        parser.add_argument(
            "--no-workers", action="store_true", help="workers are not expected to run"
        )
        parser.add_argument(
            "--ops",
            action="store_true",
            help="this is the environment of the scheduler or the console, on the ops login",
        )

    def handle(
        self, *, json: bool = False, no_workers: bool = False, ops: bool = False, **_options: object
    ) -> None:
        """Run.

        Raises:
            CommandError: Something is wrong.
        """
        is_console = settings.ROOT_URLCONF == "modelyard.ops.urls"
        valkeys = valkey_checks()
        findings = [
            *database_checks(is_ops=ops or is_console),
            *valkeys,
            *worker_checks(broker_ok=valkeys[0].state is State.OK, wanted=not no_workers),
            *store_checks(),
            *host_checks(),
        ]
        self.stdout.write(_document(findings) if json else _page(findings))
        faults = sum(finding.state is State.WRONG for finding in findings)
        if faults:
            raise CommandError(f"{faults} of {len(findings)} checks found something wrong.")


def _document(findings: list[Finding]) -> str:
    is_well = all(finding.state is not State.WRONG for finding in findings)
    rows = [dataclasses.asdict(finding) for finding in findings]
    return json.dumps({"ok": is_well, "checks": rows}, indent=2)


def _page(findings: list[Finding]) -> str:
    lines = []
    for finding in findings:
        lines.append(f"{_WORDS[finding.state]:<6}{finding.code:<28}{finding.says}")
        if finding.do:
            lines.append(f"{'':<34}What to do: {finding.do}")
    return "\n".join(lines)
