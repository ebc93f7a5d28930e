"""A network in front of the object store: passes everything on, writes down each part that the
store was sent and what it answered, and can be cut in the middle of a part."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

CHUNK = 1 << 18


@dataclass(frozen=True)
class Sent:
    """One PUT of a part: its number, its bytes, and the store's answer (0: it never came)."""

    part: int
    bytes: int
    status: int


class Recorder(ThreadingHTTPServer):
    """The network; `cut_at` says at which part it breaks, `pause_at` which parts it holds back."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream)
        self.log: list[Sent] = []
        self.cut_at: Callable[[int], bool] = lambda _part: False
        self.pause_at: Callable[[int], bool] = lambda _part: False
        self.broken = threading.Event()
        self.on_the_way: set[object] = set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def heal(self) -> list[Sent]:
        """Let requests through again; return what was sent before, and forget it."""
        end = time.monotonic() + 30
        while self.on_the_way and time.monotonic() < end:
            time.sleep(0.02)
        before = self.log
        self.cut_at = lambda _part: False
        self.log = []
        self.broken.clear()
        return before

    def arrived(self) -> list[int]:
        """Return the parts that the store took, each as often as it took it, in their order."""
        return sorted(one.part for one in self.log if one.status == 200)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def log_message(self, *_args: object) -> None:
        """Say nothing: the recorder's own log is what tests read."""

    def _pass_on(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        query = parse_qs(urlsplit(self.path).query)
        part = int(query.get("partNumber", ["0"])[0]) if self.command == "PUT" else 0
        network, status, sent = self.server, 0, 0
        network.on_the_way.add(self)
        while part and network.pause_at(part):
            time.sleep(0.02)
        if part and network.cut_at(part):
            network.broken.set()
        store = http.client.HTTPConnection(network.upstream.hostname or "", network.upstream.port)
        try:
            # The signature holds for the host that the client spoke to: it is passed on as it is.
            store.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                store.putheader(name, value)
            store.endheaders()
            while sent < length:
                chunk = self.rfile.read(min(CHUNK, length - sent))
                sent += len(chunk)
                if not chunk or (network.broken.is_set() and sent > length // 2):
                    self.close_connection = True
                    return
                store.send(chunk)
            answer = store.getresponse()
            body = answer.read()
            status = answer.status
            if network.broken.is_set() and part:
                self.close_connection = True  # it arrived; the client never hears of it
                return
            self.send_response_only(status)
            for name, value in answer.getheaders():
                if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        finally:
            store.close()
            if part:
                network.log.append(Sent(part, sent, status))
            network.on_the_way.discard(self)

    do_GET = do_PUT = do_POST = do_HEAD = do_OPTIONS = do_DELETE = _pass_on  # noqa: N815


@contextmanager
def recorder(upstream: str) -> Iterator[Recorder]:
    """Run a recording network in front of the store at `upstream` until the block ends."""
    network = Recorder(upstream)
    thread = threading.Thread(target=network.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield network
    finally:
        network.shutdown()
        network.server_close()
        thread.join()
