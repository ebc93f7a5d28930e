"""Valkey of the embedded stack: broker, cache and streams, with an append-only file."""

import os
from dataclasses import dataclass
from pathlib import Path

import redis

from modelyard.embedded.identity import Identity
from modelyard.embedded.processes import ProcessSpec
from modelyard.embedded.secrets import Secrets

_DATABASES = 128  # several sites, and many test processes, may share a server


@dataclass(frozen=True)
class Valkey:
    """One server.

    Attributes:
        binary: `valkey-server`.
        data: Its folder.
        port: Port on 127.0.0.1.
        secrets: Holds its password.
        identity: As whom it runs.
        log: Its log file.
    """

    binary: Path
    data: Path
    port: int
    secrets: Secrets
    identity: Identity
    log: Path

    def prepare(self) -> None:
        """Write the configuration; a file, because command lines can be read by everybody."""
        self.identity.own(self.data)
        config = self.data / "valkey.conf"
        config.unlink(missing_ok=True)
        config.touch(mode=0o600)
        config.write_text(
            f"bind 127.0.0.1\nport {self.port}\ndir {_quoted(self.data)}\n"
            f"databases {_DATABASES}\n"
            f"requirepass {self.secrets.valkey}\n"
            "appendonly yes\nappendfsync everysec\nmaxmemory-policy noeviction\n",
            encoding="utf-8",
        )
        self.identity.own_file(config)

    def spec(self) -> ProcessSpec:
        """How to run the server."""
        return ProcessSpec(
            name="valkey",
            argv=(str(self.binary), str(self.data / "valkey.conf")),
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            ready=self.answers,
            stop_timeout=10.0,
            stop_order=20,
            log=self.log,
            identity=self.identity,
        )

    def answers(self) -> bool:
        """Whether an authenticated ping is answered (while loading it is refused)."""
        client = redis.Redis.from_url(self.url(0), socket_connect_timeout=2, socket_timeout=2)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def set_up(self) -> None:
        """Nothing to create: databases and streams appear with their first key."""

    def url(self, database: int) -> str:
        """The URL of one of its numbered databases."""
        return f"redis://:{self.secrets.valkey}@127.0.0.1:{self.port}/{database}"

    def env(self) -> dict[str, str]:
        """The variables with which the platform reaches it."""
        return {"BROKER_URL": self.url(0), "CACHE_URL": self.url(1)}


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
