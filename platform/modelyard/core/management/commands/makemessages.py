"""`manage.py makemessages -l zh_Hans`: Django's own, told how this code names gettext.

Run it with GNU gettext at hand, translate what is empty, then `manage.py compilemessages`.
"""

from __future__ import annotations

from django.core.management.base import CommandParser
from django.core.management.commands import makemessages


class Command(makemessages.Command):
    """Extract every string that a person reads; never guess a translation."""

    xgettext_options: list[str] = [
        *makemessages.Command.xgettext_options,
        "--keyword=later",
        "--keyword=lazy",
    ]
    msgmerge_options: list[str] = [
        *makemessages.Command.msgmerge_options,
        "--no-fuzzy-matching",
    ]

    def add_arguments(self, parser: CommandParser) -> None:
        """Leave out what is not ours, and line numbers, which would change with every commit."""
        super().add_arguments(parser)
        parser.set_defaults(
            add_location="file",
            no_wrap=True,
            no_obsolete=True,
            ignore_patterns=[".venv", "var", "node_modules", "tests", "docs"],
        )
