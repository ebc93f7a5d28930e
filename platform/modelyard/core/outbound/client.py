"""One request to a customer's address: resolved once, connected to what was checked.

The name is resolved a single time, every answer must be public, and the socket goes to that
very address, so a name that changes its mind between check and use (DNS rebinding) gains
nothing. TLS and the `Host` header keep the name. Redirects are followed by hand, each checked
like the first address. Proxies, cookies and compression of the answer are not used.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urljoin

import httpcore2
from django.utils.translation import gettext_lazy as _

from modelyard.core.errors import Invalid, TooLarge
from modelyard.core.outbound.addresses import Target, is_public, refused, target_of

SECONDS = 10.0
MAX_BYTES = 50 * 1024**2
MAX_REDIRECTS = 3
IDLE_SECONDS = 30.0
"""The longest wait for the next bytes, where the whole request may take longer."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_AGENT = "Modelyard"
# The system's resolver has no time limit of its own, so it is waited for from here.
_resolvers = ThreadPoolExecutor(8, thread_name_prefix="resolve")

Resolve = Callable[[str, int], Sequence[str]]


def _system_resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a name, in the order in which to try them."""
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in rows))


class _Clock:
    """What is left of the whole request's time."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left.

        Raises:
            ReadTimeout: None are.
        """
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise httpcore2.ReadTimeout("the time for the whole request is over")
        return seconds


class _Timed(httpcore2.NetworkStream):
    """A stream whose every step ends with the whole request's time: slow drips gain nothing."""

    def __init__(self, inner: httpcore2.NetworkStream, clock: _Clock) -> None:
        self._inner = inner
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        del timeout
        return self._inner.read(max_bytes, min(IDLE_SECONDS, self._clock.left()))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        del timeout
        self._inner.write(buffer, self._clock.left())

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        del timeout
        inner = self._inner.start_tls(ssl_context, server_hostname, self._clock.left())
        return _Timed(inner, self._clock)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


class _Pinned(httpcore2.NetworkBackend):
    """Connects to the checked addresses, whatever name it is asked for."""

    def __init__(self, addresses: Sequence[str], clock: _Clock) -> None:
        self._addresses = addresses
        self._clock = clock
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        del host, timeout
        last: Exception = httpcore2.ConnectError("no address")
        for address in self._addresses:
            try:
                stream = self._sockets.connect_tcp(
                    address, port, self._clock.left(), local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                last = error
            else:
                return _Timed(stream, self._clock)
        raise last


@dataclass
class Answer:
    """An answer; its body is read once, by `chunks` or `read`.

    Attributes:
        headers: By lower-case name; the last one of a name counts.
        url: The address that answered, after redirects.
    """

    status: int
    headers: dict[str, str]
    url: str
    _body: Iterable[bytes] = field(repr=False)
    _limit: int = MAX_BYTES

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it comes.

        Raises:
            TooLarge: It is larger than the limit; nothing beyond it was read.
            Invalid: The connection broke, or the time was over.
        """
        announced = self.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > self._limit:
            raise _too_large(self._limit)
        count = 0
        with _told():
            for chunk in self._body:
                count += len(chunk)
                if count > self._limit:
                    raise _too_large(self._limit)
                yield chunk

    def read(self) -> bytes:
        """Return the whole body; raises like `chunks`."""
        return b"".join(self.chunks())


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        _("The answer is larger than %(size)d MB.") % {"size": limit // 1024**2},
        code="fetch_too_large",
    )


@contextmanager
def _told() -> Iterator[None]:
    """Turn the network's faults into a refusal with a sentence."""
    try:
        yield
    except (httpcore2.TimeoutException, TimeoutError) as error:
        raise Invalid(_("The server took too long to answer."), code="fetch_timeout") from error
    except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as error:
        raise Invalid(
            _("The server could not be reached, or broke off its answer."), code="fetch_failed"
        ) from error


def _addresses_of(target: Target, resolve: Resolve, clock: _Clock) -> Sequence[str]:
    asked = _resolvers.submit(resolve, target.host, target.port)
    try:
        found = asked.result(timeout=clock.left())
    except (socket.gaierror, UnicodeError) as error:
        raise Invalid(_("The host's name is unknown."), code="host_unknown") from error
    if not found or not (target.allowed or all(is_public(one) for one in found)):
        raise refused()
    return found


def _next(target: Target, location: str) -> Target:
    following = target_of(urljoin(target.url, location))
    if target.scheme == "https" and following.scheme == "http":
        raise Invalid(_("The server leads from https to http."), code="redirect_refused")
    return following


@contextmanager
def _once(
    method: str,
    target: Target,
    headers: Mapping[str, str],
    content: bytes,
    asking: tuple[Resolve, _Clock],
) -> Iterator[httpcore2.Response]:
    resolve, clock = asking
    names = {name.lower(): value for name, value in headers.items()}
    whole = {"user-agent": _AGENT, "accept": "*/*", **names}
    whole |= {"host": target.authority, "accept-encoding": "identity"}
    with ExitStack() as stack:
        with _told():
            backend = _Pinned(_addresses_of(target, resolve, clock), clock)
            pool = httpcore2.ConnectionPool(ssl_context=_tls(), network_backend=backend)
            stack.enter_context(pool)
            body = None if method == "GET" else content
            answer = stack.enter_context(
                pool.stream(method, target.url, headers=list(whole.items()), content=body)
            )
        yield answer


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _plain(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): value.decode("latin-1").strip() for name, value in headers
    }


@contextmanager
def opened(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes = b"",
    max_bytes: int = MAX_BYTES,
    seconds: float = SECONDS,
    redirects: int = MAX_REDIRECTS,
    resolve: Resolve = _system_resolve,
) -> Iterator[Answer]:
    """Send a request to a customer's address and yield the answer, whatever its status.

    Redirects of a GET are followed, three at most; the caller's `headers` do not go along to
    another host. With `redirects=0` the redirect itself is the answer, for callers that ask
    somebody first. `seconds` is for all of it, the body included.

    Raises:
        Invalid: `url_invalid`, `port_refused`, `address_refused`, `host_unknown`,
            `redirect_refused`, `too_many_redirects`, `fetch_timeout`, `fetch_failed`.
        TooLarge: `fetch_too_large`, while the body is read.
    """
    clock = _Clock(seconds)
    target, own = target_of(url), dict(headers or {})
    for _hop in range(redirects + 1):
        with _once(method, target, own, content, (resolve, clock)) as answer:
            found = _plain(answer.headers)
            location = found.get("location", "")
            final = method != "GET" or answer.status not in REDIRECTS or not location
            if final or not redirects:
                yield Answer(answer.status, found, target.url, answer.iter_stream(), max_bytes)
                return
        following = _next(target, location)
        if following.authority != target.authority:
            own = {}
        target = following
    raise Invalid(
        _("The address leads from one place to the next more than three times."),
        code="too_many_redirects",
    )


def sent(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes = b"",
    max_bytes: int = MAX_BYTES,
    seconds: float = SECONDS,
) -> tuple[int, dict[str, str], bytes]:
    """Send a request and return status, headers and whole body; raises like `opened`."""
    with opened(
        method, url, headers=headers, content=content, max_bytes=max_bytes, seconds=seconds
    ) as answer:
        return answer.status, answer.headers, answer.read()
