"""PostgreSQL of the embedded stack: cluster, roles, databases.

TCP on 127.0.0.1 only, scram-sha-256 for everybody, C.UTF-8. All SQL goes through `psql`, so that
no driver is needed before the platform is configured.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modelyard.embedded import paths
from modelyard.embedded.errors import StackError
from modelyard.embedded.identity import Identity
from modelyard.embedded.processes import ProcessSpec
from modelyard.embedded.secrets import Secrets, write_private

DATABASE = "modelyard"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "log_line_prefix": "%m %u@%d ",
}
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class Postgres:
    """One cluster.

    Attributes:
        binaries: Folder of `postgres`, `initdb` and `psql`.
        data: The folder that holds the cluster.
        port: Port on 127.0.0.1.
        secrets: Passwords of all roles.
        identity: As whom the server runs.
        log: The server's log file.
    """

    binaries: Path
    data: Path
    port: int
    secrets: Secrets
    identity: Identity
    log: Path

    def prepare(self) -> None:
        """Create the cluster on the first start."""
        self.identity.own(self.data)
        if self._cluster.exists():
            return
        # Made beside its place: an initdb that was cut short leaves no half a cluster there.
        draft = self.data / "cluster.new"
        shutil.rmtree(draft, ignore_errors=True)
        password = self.data / "password"
        write_private(password, self.secrets.postgres_superuser)
        self.identity.own_file(password)
        done = subprocess.run(
            [
                *self.identity.prefix,
                str(self.binaries / "initdb"),
                *("-D", str(draft), "-U", "postgres", "-E", "UTF8"),
                *("--locale=C.UTF-8", "-A", "scram-sha-256", f"--pwfile={password}"),
            ],
            cwd="/",
            env=_server_env(),
            capture_output=True,
            text=True,
            check=False,
            **self.identity.popen,
        )
        password.unlink()
        if done.returncode != 0:
            raise StackError(
                "initdb_failed", f"PostgreSQL could not make {self.data}:\n{done.stderr.strip()}"
            )
        draft.rename(self._cluster)

    def spec(self) -> ProcessSpec:
        """How to run the server."""
        settings = [word for key, value in _SETTINGS.items() for word in ("-c", f"{key}={value}")]
        return ProcessSpec(
            name="postgres",
            argv=(
                str(self.binaries / "postgres"),
                *("-D", str(self._cluster), "-p", str(self.port)),
                *settings,
            ),
            env=_server_env(),
            ready=self.answers,
            stop_signal=signal.SIGINT,  # fast shutdown: ends sessions, writes a checkpoint
            stop_timeout=20.0,
            stop_order=30,
            log=self.log,
            identity=self.identity,
        )

    def answers(self) -> bool:
        """Whether a real login and a query succeed.

        Raises:
            StackError: `password_refused` when the data belongs to other secrets.
        """
        done = self._psql("postgres", "SELECT 1;")
        if "password authentication failed" in done.stderr:
            raise StackError(
                "password_refused",
                f"PostgreSQL in {self.data} refuses the password kept in secrets.json beside it. "
                "Restore that file, or delete the whole state folder to start empty.",
            )
        return done.returncode == 0

    def set_up(self) -> None:
        """Create roles, their passwords and the platform's database; safe to repeat."""
        with self._alone():
            # New databases copy template1, default privileges included: also those of tests.
            self._grant("template1")
            self.run_sql("postgres", self._passwords())
        self.create_database(DATABASE)

    def create_database(self, name: str) -> None:
        """Create a database owned by `modelyard_owner` with the usual grants; safe to repeat.

        Raises:
            StackError: `bad_name` or `sql_failed`.
        """
        if not _IDENTIFIER.fullmatch(name):
            raise StackError(
                "bad_name",
                f"{name!r} is no database name. Use up to 63 lower-case letters, digits and "
                "underscores, with a letter first.",
            )
        with self._alone():
            self.run_sql(
                "postgres",
                f"SELECT 'CREATE DATABASE {name} OWNER modelyard_owner' "  # noqa: S608
                f"WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{name}') \\gexec\n",
            )
            self._grant(name)

    def url(self, role: str, database: str = DATABASE) -> str:
        """The connection URL of one of the roles."""
        password = {
            "modelyard_owner": self.secrets.postgres_owner,
            "modelyard_web": self.secrets.postgres_web,
            "modelyard_ops_login": self.secrets.postgres_ops,
            "modelyard_test": self.secrets.postgres_test,
        }[role]
        return f"postgres://{role}:{password}@127.0.0.1:{self.port}/{database}"

    def env(self, database: str = DATABASE) -> dict[str, str]:
        """The variables with which the platform reaches a database."""
        return {
            "DATABASE_URL": self.url("modelyard_web", database),
            "OWNER_DATABASE_URL": self.url("modelyard_owner", database),
            "OPS_DATABASE_URL": self.url("modelyard_ops_login", database),
            "TEST_DATABASE_URL": self.url("modelyard_test", database),
        }

    @property
    def _cluster(self) -> Path:
        return self.data / "cluster"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the cluster's set-up lock.

        Roles belong to the whole cluster: two sessions that alter one at the same moment make
        PostgreSQL answer "tuple concurrently updated", and no advisory lock spans databases.
        """
        with (self.data / "set-up.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _grant(self, database: str) -> None:
        for name in ("roles.sql", "test_role.sql"):
            self.run_sql(database, paths.sql_file(name).read_text(encoding="utf-8"))

    def _passwords(self) -> str:
        words = {
            "modelyard_owner": self.secrets.postgres_owner,
            "modelyard_web": self.secrets.postgres_web,
            "modelyard_ops_login": self.secrets.postgres_ops,
            "modelyard_test": self.secrets.postgres_test,
        }
        return "".join(f"ALTER ROLE {role} PASSWORD '{word}';\n" for role, word in words.items())

    def run_sql(self, database: str, script: str) -> None:
        """Run a script as the superuser.

        Raises:
            StackError: `sql_failed`.
        """
        done = self._psql(database, script)
        if done.returncode != 0:
            raise StackError(
                "sql_failed", f"PostgreSQL refused a set-up statement: {done.stderr.strip()}"
            )

    def _psql(self, database: str, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script, sent through standard input so that no secret is in a command line."""
        return subprocess.run(
            [
                str(self.binaries / "psql"),
                *("--no-psqlrc", "--quiet", "--tuples-only", "--no-password"),
                *("-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port)),
                *("-U", "postgres", "-d", database),
            ],
            cwd="/",
            env={
                "PATH": os.defpath,
                "PGPASSWORD": self.secrets.postgres_superuser,
                "PGCONNECT_TIMEOUT": "5",
                "PGOPTIONS": "-c client_min_messages=warning",
            },
            input=script,
            capture_output=True,
            text=True,
            check=False,
        )


def _server_env() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
