"""The stack: three real servers on one state folder, up with one call and gone with the next."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from modelyard.embedded import identity, paths, record, seaweed, secrets
from modelyard.embedded.errors import StackError
from modelyard.embedded.guard import Guard
from modelyard.embedded.keeper import Keeper
from modelyard.embedded.ports import PortBook
from modelyard.embedded.postgres import Postgres
from modelyard.embedded.processes import ProcessSpec
from modelyard.embedded.seaweed import Seaweed
from modelyard.embedded.valkey import Valkey

_logger = logging.getLogger(__name__)
_POLL_S = 0.1
_REUSE_WAIT_S = 60.0

# The variable that says "I have such a server of my own", and what must come with it.
_EXTERNAL = {
    "DATABASE_URL": ("OWNER_DATABASE_URL", "OPS_DATABASE_URL"),
    "BROKER_URL": ("CACHE_URL",),
    "S3_ENDPOINT_URL": ("S3_ACCESS_KEY", "S3_SECRET_KEY"),
}
_EXTERNAL_DEFAULTS = {"S3_BUCKET": seaweed.BUCKET, "S3_REGION": seaweed.REGION}
_EXTERNAL_OPTIONAL = ("TEST_DATABASE_URL",)


class Server(Protocol):
    """What the stack asks of each of its servers."""

    def prepare(self) -> None:
        """Make the data folder and configuration."""

    def spec(self) -> ProcessSpec:
        """How to run it."""

    def set_up(self) -> None:
        """Create in the running server what the platform expects; safe to repeat."""

    def env(self) -> dict[str, str]:
        """The variables by which the platform reaches it."""


class Stack:
    """PostgreSQL, Valkey and SeaweedFS, ready to use inside a `with` block.

    Args:
        state: Folder for data, passwords, ports and logs; made if missing.
        external: Variables of servers that exist already; these parts are not started.
        reuse: Use the stack that already runs on this folder, if one does, and leave it running.
        say: Gets a sentence when a server ends and is started again.

    Attributes:
        env: Every variable that the platform's settings read; empty before the start.
    """

    def __init__(
        self,
        state: Path = Path("var"),
        external: Mapping[str, str] = os.environ,
        *,
        reuse: bool = False,
        say: Callable[[str], None] = _logger.warning,
    ) -> None:
        self.folder = paths.StateFolder(state.resolve())
        self.env: dict[str, str] = {}
        self._external = external
        self._reuse = reuse
        self._say = say
        self._lock: int | None = None
        self._guard: Guard | None = None
        self._keeper: Keeper | None = None
        self._postgres: Postgres | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def ports(self) -> PortBook:
        """The ports of this state folder; also for the platform's own processes."""
        return PortBook(self.folder.ports)

    @property
    def guard(self) -> Guard | None:
        """The watchdog's owner side; None where somebody else's running stack is used."""
        return self._guard

    def start(self) -> None:
        """Start all servers side by side; returns when each has done real work.

        Raises:
            StackError: With a sentence that says what to do; nothing is left running then.
        """
        self.folder.make()
        try:
            self._lock = record.lock(self.folder)
        except StackError as refusal:
            if not self._reuse or refusal.code != "already_running":
                raise
            self._join(refusal)
            return
        try:
            self._start_servers()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop what `start` started: S3, then Valkey, then PostgreSQL. Safe to repeat."""
        if self._lock is None:
            return
        self.folder.record.unlink(missing_ok=True)
        if self._keeper is not None:
            self._keeper.stop()
        if self._guard is not None:
            self._guard.close()
        record.unlock(self._lock)
        self._lock = self._guard = self._keeper = None

    def pids(self) -> dict[str, int]:
        """Process ids of the servers that this stack started, by name."""
        return self._keeper.pids() if self._keeper is not None else {}

    def create_database(self, name: str) -> dict[str, str]:
        """Make a further database like the main one, owned by `modelyard_owner`; idempotent.

        Returns:
            The four `*DATABASE_URL` variables for it.

        Raises:
            StackError: `not_ours` when PostgreSQL is external, `bad_name`, `sql_failed`.
        """
        postgres = self._own_postgres()
        postgres.create_database(name)
        return postgres.env(name)

    def run_sql(self, script: str, *, database: str = "postgres") -> None:
        """Run a script as PostgreSQL's superuser.

        Raises:
            StackError: `not_ours` when PostgreSQL is external, `sql_failed`.
        """
        self._own_postgres().run_sql(database, script)

    def _own_postgres(self) -> Postgres:
        if self._postgres is None:
            raise StackError(
                "not_ours",
                "This PostgreSQL was not started by Modelyard, so databases are made there by its "
                "administrator: create one and run deploy/postgres/roles.sql in it.",
            )
        return self._postgres

    def _start_servers(self) -> None:
        if self._lock is None:
            return
        self._guard = Guard(keep_open=[self._lock])
        self._keeper = Keeper(self._guard, say=self._say)
        servers = self._servers(new_ports=True)
        self._keeper.together([partial(_bring_up, server, self._keeper) for server in servers])
        self.env = self._all_env(servers)
        self._keeper.watch()
        record.write(self.folder, env=self.env, pids=self._keeper.pids())

    def _join(self, refusal: StackError) -> None:
        """Take the environment of the running stack, waiting while it is still starting."""
        until = time.monotonic() + _REUSE_WAIT_S
        while (env := record.running_env(self.folder.root)) is None:
            if time.monotonic() > until:
                raise refusal
            time.sleep(_POLL_S)
        self.env = env
        self._servers(new_ports=False)

    def _servers(self, *, new_ports: bool) -> list[Server]:
        """The servers that are not external; with `new_ports`, on ports that are free now."""
        missing = [name for name in _EXTERNAL if not self._external.get(name)]
        self._check_external()
        if not missing:
            return []
        words = secrets.load_or_create(self.folder.secrets)
        binaries = paths.postgres_bin(self._external)
        who = identity.choose(self.folder.root, binaries / "postgres")
        book = self.ports
        servers: list[Server] = []
        if "DATABASE_URL" in missing:
            port = book.port("postgres") if new_ports else book.kept("postgres")
            self._postgres = Postgres(
                binaries,
                self.folder.data("postgres"),
                port,
                words,
                who,
                self.folder.log("postgres"),
            )
            servers.append(self._postgres)
        if new_ports and "BROKER_URL" in missing:
            folder, log = self.folder.data("valkey"), self.folder.log("valkey")
            port = book.port("valkey")
            servers.append(Valkey(paths.valkey_server(), folder, port, words, who, log))
        if new_ports and "S3_ENDPOINT_URL" in missing:
            folder, log = self.folder.data("seaweed"), self.folder.log("seaweed")
            origins = tuple(self._external.get("S3_CORS_ORIGINS", "*").split(","))
            ports = seaweed.pick_ports(book)
            servers.append(Seaweed(paths.weed(), folder, ports, words, who, log, origins))
        return servers

    def _check_external(self) -> None:
        for name, companions in _EXTERNAL.items():
            absent = [other for other in companions if not self._external.get(other)]
            if self._external.get(name) and absent:
                raise StackError(
                    "external_incomplete",
                    f"{name} is set, so that server is not started here. Set "
                    f"{' and '.join(absent)} too, or unset {name}.",
                )

    def _all_env(self, servers: list[Server]) -> dict[str, str]:
        words = secrets.load_or_create(self.folder.secrets)
        env = {"SECRET_KEY": words.secret_key, "API_KEY_PEPPER": words.api_key_pepper}
        names = [*env, *_EXTERNAL_DEFAULTS, *_EXTERNAL_OPTIONAL]
        names += [name for main, others in _EXTERNAL.items() for name in (main, *others)]
        given = {name: self._external[name] for name in names if self._external.get(name)}
        env |= _EXTERNAL_DEFAULTS | given
        for server in servers:
            env |= server.env()
        return env


def _bring_up(server: Server, keeper: Keeper) -> None:
    server.prepare()
    keeper.launch(server.spec())
    server.set_up()
