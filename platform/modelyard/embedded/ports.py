"""Free loopback ports, picked once, kept in the state folder and picked again only when taken."""

import contextlib
import fcntl
import json
import random
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from modelyard.embedded.errors import StackError

GRPC_OFFSET = 10_000  # SeaweedFS opens gRPC at each HTTP port plus this
# Below the range from which the kernel takes ports for outgoing connections (32768 on Linux),
# even with the offset: a client's socket can never sit on one of ours.
_FIRST, _LAST = 12_000, 22_700
_TRIES = 200


class PortBook:
    """The ports of one state folder, by name; any number of threads and processes may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def port(
        self, name: str, *, offsets: Sequence[int] = (0,), preferred: int | None = None
    ) -> int:
        """The port kept under a name, if it is free now; else a new one, which is then kept.

        Args:
            name: What the port is for.
            offsets: Distances from the port that have to be free as well.
            preferred: The port to try first when none is kept yet.

        Returns:
            A port on which nothing listens on 127.0.0.1 at the moment.

        Raises:
            StackError: `no_port` when none was found.
        """
        with self._alone():
            book = self._read()
            candidates = [port for port in (book.get(name), preferred) if port is not None]
            others = {port for key, port in book.items() if key != name}
            picker = random.SystemRandom()
            candidates += [picker.randrange(_FIRST, _LAST) for _ in range(_TRIES)]
            for port in candidates:
                if port not in others and all(is_free(port + offset) for offset in offsets):
                    if book.get(name) != port:
                        self._write(book | {name: port})
                    return port
        raise StackError(
            "no_port",
            f"No port between {_FIRST} and {_LAST} on 127.0.0.1 is free for {name}. Stop some of "
            "the servers there.",
        )

    def kept(self, name: str) -> int:
        """The port kept under a name by a stack that runs now.

        Raises:
            KeyError: None is kept.
        """
        return self._read()[name]

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        # A lock of the file just opened: it keeps threads apart as well as processes.
        with self._path.with_name(f"{self._path.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read(self) -> dict[str, int]:
        # The file holds no data worth keeping: a broken one is picked anew.
        with contextlib.suppress(OSError, ValueError):
            return {str(key): int(port) for key, port in json.loads(self._path.read_text()).items()}
        return {}

    def _write(self, book: dict[str, int]) -> None:
        draft = self._path.with_name(f"{self._path.name}.new")
        draft.write_text(json.dumps(book, indent=2), encoding="utf-8")
        draft.replace(self._path)


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
