"""`modelyard up`: the whole product on this machine, in the foreground, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from pathlib import Path

from modelyard.embedded.errors import StackError
from modelyard.embedded.stack import Stack
from modelyard.embedded.supervisor import until_signal
from modelyard.launch.site import Place, Site

DEFAULT_PORT = 8000
ROOT = Path(__file__).resolve().parents[3]


def state_folder() -> Path:
    """Return the folder of everything that runs here: `MODELYARD_STATE`, else `var/`."""
    home = ROOT if (ROOT / "manage.py").exists() else Path.cwd()
    return Path(os.environ.get("MODELYARD_STATE", home / "var")).resolve()


def place_on(stack: Stack, state: Path, port: int | None) -> Place:
    """Return the site's place: the wanted port, or the kept one, or a free one."""
    book = stack.ports
    return Place(
        state=state,
        port=port or book.port("web", preferred=DEFAULT_PORT),
        ops_port=book.port("ops", preferred=DEFAULT_PORT + 1),
        env=stack.env,
        stripe_port=book.port("stripe", preferred=DEFAULT_PORT + 2),
    )


def say(text: str) -> None:
    """Write a line for the person at the terminal."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Run `modelyard up [--port N]`; return the exit status."""
    parser = argparse.ArgumentParser(prog="modelyard up", description=__doc__)
    parser.add_argument("--port", type=int, help="the site's port (default: 8000, or a free one)")
    chosen = parser.parse_args(arguments)
    state = state_folder()
    try:
        with until_signal(), Stack(state=state, say=say) as stack:
            place = place_on(stack, state, chosen.port)
            with Site(place, guard=stack.guard, output=sys.stdout):
                say(f"\nModelyard is up: {place.url}  (mail goes to {state / 'mail'})")
                say(f"Operators' console: {place.ops_url}")
                say("  (`modelyard staff add EMAIL --role ops` gives a login)")
                if place.stripe_url:
                    say(f"Payments go to a stand-in, no money moves: {place.stripe_url}")
                say("Ctrl-C stops everything.\n")
                threading.Event().wait()
    except StackError as error:
        say(f"modelyard up: {error}")
        return 1
    return 0
