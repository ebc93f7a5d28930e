"""`modelyard audit verify`: prove that the trail is intact, or name the first bad row."""

from __future__ import annotations

import dataclasses
import json
import uuid
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from modelyard.core.errors import DomainError
from tenants.models import Tenant
from tenants.trail import proof
from tenants.trail.verify import Verdict, tenant_verify


class Command(BaseCommand):
    """Verify audit trails."""

    help = (
        "Check that no sealed row of the audit trail was changed, removed, reordered or cut off, "
        "against the chain of hashes and its copies in the object store. The exit status is 1 "
        "when one was. With --file an export is checked, without any server."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        parser.add_argument("act", choices=["verify"])
        parser.add_argument("tenant", nargs="?", help="slug or id; all workspaces without it")
        parser.add_argument("--file", type=Path, help="an exported audit log (JSONL)")
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(
        self,
        *,
        tenant: str | None = None,
        file: Path | None = None,
        json: bool = False,
        **_options: object,
    ) -> None:
        """Run.

        Raises:
            CommandError: A flaw was found, or nothing could be checked.
        """
        if file is not None:
            self._file(file, as_json=json)
            return
        try:
            verdicts = [tenant_verify(one) for one in _tenants(tenant)]
        except DomainError as error:
            raise CommandError(f"Not verified: {error.message}") from error
        self.stdout.write(_document(verdicts) if json else "\n".join(map(_line, verdicts)))
        broken = sum(verdict.flaw is not None for verdict in verdicts)
        if broken:
            raise CommandError(f"{broken} of {len(verdicts)} audit trails are not intact.")

    def _file(self, path: Path, *, as_json: bool) -> None:
        try:
            with path.open(encoding="utf-8") as lines:
                found = proof.check(lines)
        except (OSError, ValueError) as error:
            raise CommandError(f"{path} can't be checked: {error}") from error
        said = (
            f"{path}: {found.sealed} sealed rows up to #{found.seq}, {found.gaps} left out by "
            f"filters, {found.unsealed} not sealed, head {found.hash}"
        )
        facts = {"ok": not found.flaw, **dataclasses.asdict(found)}
        self.stdout.write(json.dumps(facts, indent=2) if as_json else said)
        if found.flaw:
            raise CommandError(f"{path}: {found.flaw}.")


def _tenants(name: str | None) -> Iterator[Tenant]:
    rows = Tenant.objects.order_by("slug")
    if name is not None:
        try:
            rows = rows.filter(pk=uuid.UUID(name))
        except ValueError:
            rows = rows.filter(slug=name)
        if not rows.exists():
            raise CommandError(f"There is no workspace {name}: give its slug or its id.")
    return rows.iterator()


def _document(verdicts: list[Verdict]) -> str:
    is_well = all(verdict.flaw is None for verdict in verdicts)
    rows = [dataclasses.asdict(verdict) for verdict in verdicts]
    return json.dumps({"ok": is_well, "tenants": rows}, indent=2)


def _line(verdict: Verdict) -> str:
    counts = (
        f"{verdict.slug}: {verdict.sealed} sealed, {verdict.unsealed} not sealed yet, "
        f"copied up to #{verdict.copied}"
    )
    if verdict.flaw is None:
        return f"{counts}: intact, head {verdict.head}"
    return f"{counts}: NOT INTACT ({verdict.flaw.code}): {verdict.flaw.says}"
