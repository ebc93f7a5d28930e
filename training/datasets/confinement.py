"""What a parsing child gives up before it looks at a stranger's file: memory, time, the network.

The network goes in two ways. Where the kernel lets us, the child moves into a network namespace of
its own, which has no interface at all (`unshare(2)`, `user_namespaces(7)`). Everywhere, an audit
hook (PEP 578) ends the process at the first try to open a connection, start a program or fork: it
guards Python's own calls, which is all that the parsers' Python half could be talked into.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

MEMORY_BYTES = 2 * 1024**3
FORBIDDEN_STATUS = 77
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_FORBIDDEN = frozenset(
    {
        "socket.connect",
        "socket.bind",
        "socket.sendto",
        "socket.sendmsg",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
    }
)


def confine(cpu_seconds: int, *, namespace: bool = True) -> bool:
    """Set the limits for good; return whether the kernel gave a network namespace.

    Args:
        cpu_seconds: Processor time that may be used; the kernel kills the process after it.
        namespace: Whether to ask for a namespace; the tests try the other wall alone, too.
    """
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    alone = namespace and ctypes.CDLL(None, use_errno=True).unshare(_NEW_USER | _NEW_NET) == 0
    sys.addaudithook(_end_if_forbidden)
    return alone


def _end_if_forbidden(event: str, _arguments: tuple[object, ...]) -> None:
    if event in _FORBIDDEN:
        os.write(2, f"a parser tried {event}\n".encode())
        os._exit(FORBIDDEN_STATUS)
