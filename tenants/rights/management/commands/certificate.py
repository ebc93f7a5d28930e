"""`modelyard certificate verify FILE`: check a certificate of deletion; `key` prints our key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modelyard.core.errors import Invalid
from tenants.rights import certificates


class Command(BaseCommand):
    """Needs no database: the certificate and the key say it all."""

    help = "Check a certificate of deletion, or print the public key of this installation."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take `verify FILE [--key PEM]` or `key`."""
        acts = parser.add_subparsers(dest="act", required=True)
        check = acts.add_parser("verify", help="Check FILE.")
        check.add_argument("file", type=Path)
        check.add_argument(
            "--key",
            type=Path,
            help="Public key of the site that issued it (/certificates/key.pem); ours if absent.",
        )
        acts.add_parser("key", help="Print the public key, PEM.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Say what the certificate says, or fail with why it does not hold."""
        del args
        if options["act"] == "key":
            self.stdout.write(certificates.public_pem(), ending="")
            return
        text = _read(options["file"])
        pem = _read(options["key"]) if options["key"] else ""
        try:
            facts = certificates.verify(text, pem=pem)
        except Invalid as error:
            raise CommandError(error.message) from error
        rows = sum(facts["rows"].values())
        self.stdout.write(
            f"The certificate holds: {facts['kind']} {facts['subject']} was deleted,"
            f" finished {facts['finished']}.\n{rows} rows in {len(facts['rows'])} tables,"
            f" {facts['objects']} objects ({facts['object_versions']} versions,"
            f" {facts['object_bytes']} bytes), {facts['cache_keys']} cache keys."
        )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} can't be read: {error}") from error
