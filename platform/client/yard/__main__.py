"""The customer's command line: `yard push FILE`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from yard import __version__
from yard.failures import Failure
from yard.push import Push, Wish
from yard.screen import Screen
from yard.wire import TRIES, Api

_ABOUT = "Modelyard from your terminal."
_PUSH = """\
Send a file to a dataset and import it.

Parts go straight to the object store, four at a time. Stopped at any moment, the same command
goes on where it was: parts that have arrived are never sent again.
"""
_ENDS = """\
environment:
  YARD_URL      address of the platform (default http://localhost:8000)
  YARD_API_KEY  a key with the scope "write", made on the page "API keys"

exit status:
  0  imported (rejected rows are counted, and listed at the address that is printed)
  1  refused, or the file can't be imported: the sentence says why
  2  wrong options
  3  the network is gone for too long: run the same command again
  4  sent, and not imported, since nobody said yes
"""


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="yard", description=_ABOUT, epilog=_ENDS, formatter_class=raw
    )
    parser.add_argument("--version", action="version", version=f"yard {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    push = commands.add_parser(
        "push",
        help="send a file to a dataset and import it",
        description=_PUSH,
        epilog=_ENDS,
        formatter_class=raw,
    )
    push.add_argument("file", type=Path, metavar="FILE", help="the file to send")
    push.add_argument(
        "--dataset", default="", metavar="NAME|ID",
        help="the dataset; one that does not exist is made (default: the file's name)",
    )  # fmt: skip
    push.add_argument(
        "--text", default="", metavar="COL", help="column of the text (default: guessed)"
    )
    push.add_argument(
        "--label", metavar="COL", help='column of the label; "" for none (default: guessed)'
    )
    push.add_argument("--yes", action="store_true", help="import without asking")
    push.add_argument(
        "--only-send", action="store_true", help="stop when the file is sent; import it on the page"
    )
    push.add_argument(
        "--tries", type=int, default=TRIES, metavar="N",
        help="how often a request is tried while the network fails (default: %(default)s)",
    )  # fmt: skip
    push.add_argument("--url", default="", help="address of the platform (or YARD_URL)")
    push.add_argument("--key", default="", help="API key (or YARD_API_KEY, which others can't see)")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit status."""
    given = _parser().parse_args(arguments)
    screen = Screen()
    url = given.url or os.environ.get("YARD_URL", "http://localhost:8000")
    key = given.key or os.environ.get("YARD_API_KEY", "")
    if not key:
        screen.complain("Give an API key: set YARD_API_KEY. Keys are made on the page “API keys”.")
        sys.exit(2)
    wish = Wish(
        file=given.file,
        dataset=given.dataset,
        text=given.text,
        label=given.label,
        yes=given.yes,
        only_send=given.only_send,
    )
    try:
        with Api(url, key, tries=max(1, given.tries)) as api:
            Push(api, screen, wish).run()
    except Failure as failure:
        screen.complain(f"yard: {failure}")
        sys.exit(failure.status)
    except KeyboardInterrupt:
        screen.complain("Stopped. What has arrived is kept: run the same command to go on.")
        sys.exit(130)


if __name__ == "__main__":
    main()
