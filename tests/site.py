"""The running platform for system and browser tests: same launcher as `modelyard up`.

It stands on the session's stack, on a database, cache numbers and mail folder of its own, with
short leases, so that a lost worker is noticed within seconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modelyard.embedded.stack import Stack
from modelyard.launch.client import Account, Api, CallRefused
from modelyard.launch.site import Place, Site
from tests import stack as session

SHORT = {
    "RUN_LEASE_SECONDS": "3",
    "RUN_HEARTBEAT_SECONDS": "0.3",
    "RUN_REAP_SECONDS": "0.5",
    "RUN_SWEEP_AFTER_SECONDS": "3",
    "USAGE_FLUSH_SECONDS": "0.4",
    "RIGHTS_LEASE_SECONDS": "3",
    "DELETION_STOP_SECONDS": "10",
    "LABEL_LEASE_SECONDS": "45" if os.environ.get("MODELYARD_DEEP") else "6",
    "BILLING": "sandbox",
    "LOG_FORMAT": "console",
    "API_LIMITS_FACTOR": "1000",
}


@dataclass
class RunningSite:
    """What a test needs of the running platform."""

    place: Place
    site: Site
    log: Path

    @property
    def url(self) -> str:
        """The site's address."""
        return self.place.url

    def pid(self, name: str) -> int:
        """Return the process id of one of its processes."""
        return self.site.supervisor.pids()[name]


def stack() -> Stack:
    """Return the session's stack (this process's own, or joined through its folder)."""
    if session._stack is not None:
        return session._stack
    joined = Stack(state=session.STATE, external={}, reuse=True)
    joined.start()
    return joined


@contextmanager
def running(name: str = "site", **more: str) -> Iterator[RunningSite]:
    """Run a whole site on database `modelyard_<name>`."""
    base = stack()
    own = session.mine(name)
    database = base.create_database(f"modelyard_{own}")
    state = session.STATE / own
    state.mkdir(parents=True, exist_ok=True)
    env = {
        **base.env,
        **database,
        **session.valkey_urls("site"),
        "MAIL_DIR": str(state / "mail"),
        **SHORT,
        **more,
    }
    env.pop("SERVING_URL", None)
    ports = [base.ports.port(f"{own}-{part}") for part in ("web", "ops", "stripe")]
    place = Place(state, ports[0], ports[1], env, stripe_port=ports[2])
    log = state / "site.log"
    with log.open("w") as output, Site(place, guard=base.guard, output=output) as site:
        yield RunningSite(place, site, log)


def sign_up(site: RunningSite, email: str) -> Account:
    """Sign up as a new customer through the form of the page."""
    return Account.sign_up(site.url, email=email, mail=site.place.state / "mail")


__all__ = ["Account", "Api", "CallRefused", "RunningSite", "running", "sign_up"]
