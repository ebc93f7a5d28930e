"""The operator's command line: `modelyard up`, `modelyard demo`, and Django's commands."""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line

from modelyard.embedded.record import running_env
from modelyard.launch import demo, up

WITHOUT_DJANGO = {"up": up.main, "demo": demo.main}
"""Commands that start the parts that Django's settings need."""


def login_as_owner() -> None:
    """Use the owner's login of the stack that runs here, where no other is set."""
    known = running_env(up.state_folder()) or {}
    if "DATABASE_URL" not in os.environ and "OWNER_DATABASE_URL" in known:
        os.environ.update({**known, **os.environ, "DATABASE_URL": known["OWNER_DATABASE_URL"]})


def main() -> None:
    """Run one command."""
    command = WITHOUT_DJANGO.get(sys.argv[1]) if len(sys.argv) > 1 else None
    if command is not None:
        sys.exit(command(sys.argv[2:]))
    if sys.argv[1:2] == ["staff"]:
        login_as_owner()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "modelyard.settings.dev")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
