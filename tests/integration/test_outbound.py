"""Addresses that customers choose: nothing of ours is reached, by no spelling and by no trick."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from modelyard.core import outbound
from modelyard.core.errors import DomainError, Invalid, TooLarge
from modelyard.core.outbound.addresses import is_public, target_of

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

FORMS = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1",
    "017700000001", "127.0.0.1.", "127。0。0。1", "①②⑦.⓪.⓪.①", "0", "0.0.0.0", "localhost",
    "LOCALHOST.", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1",
    "168.63.129.16", "192.0.0.192", "224.0.0.1", "255.255.255.255", "[::1]", "[::]",
    "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[fe80::1%25lo]", "[fc00::1]", "[ff02::1]",
    "[2600::5efe:7f00:1]",
]  # fmt: skip
"""Spellings of addresses that are not on the public internet; most of them are this machine."""


@dataclass
class Listener:
    """Listens on every address of this machine, v4 and v6, and counts who comes."""

    answer: Callable[[bytes, socket.socket], None]
    came: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._socket = socket.create_server(
            ("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64
        )
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client:
                client.settimeout(5)
                try:
                    asked = client.recv(65536)
                    self.came.append(asked)
                    self.answer(asked, client)
                except OSError:
                    pass

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


def says(text: bytes) -> Callable[[bytes, socket.socket], None]:
    return lambda _asked, client: client.sendall(text)


def leads_to(location: str) -> bytes:
    return (
        f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n"
    ).encode()


@pytest.fixture
def listen(settings: Any) -> Iterator[Callable[[bytes], Listener]]:
    """Return a function that opens a listener whose port customers may use."""
    made: list[Listener] = []

    def listener(text: bytes = OK) -> Listener:
        made.append(Listener(says(text)))
        settings.OUTBOUND_PORTS = [*settings.OUTBOUND_PORTS, made[-1].port]
        return made[-1]

    yield listener
    for one in made:
        one.close()


def allow(settings: Any, *listeners: Listener) -> None:
    settings.OUTBOUND_ALLOWED = frozenset(f"localhost:{one.port}" for one in listeners)


def code_of(url: str, **more: object) -> str:
    with pytest.raises(DomainError) as refusal, outbound.opened("GET", url, **more) as answer:
        answer.read()
    assert refusal.value.message
    return refusal.value.code


def test_no_spelling_of_a_forbidden_address_is_connected_to(
    listen: Callable[..., Listener],
) -> None:
    here = listen()
    assert len(FORMS) >= 31
    for form in FORMS:
        for scheme in ("http", "https"):
            code = code_of(f"{scheme}://{form}:{here.port}/latest/meta-data/", seconds=3)
            assert code in {"address_refused", "url_invalid"}, form
    assert here.came == []
    socket.create_connection(("127.0.0.1", here.port)).close()
    deadline = time.monotonic() + 5
    while not here.came and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(here.came) == 1, "the listener would have counted"


def test_one_forbidden_answer_among_public_ones_refuses_the_name(
    listen: Callable[..., Listener],
) -> None:
    here = listen()
    url = f"http://both.example:{here.port}/"
    assert code_of(url, resolve=lambda _h, _p: ["1.1.1.1", "127.0.0.1"]) == "address_refused"
    assert code_of(url, resolve=lambda _h, _p: []) == "address_refused"
    assert here.came == []


def test_a_name_that_changes_between_check_and_use_is_still_not_followed(
    listen: Callable[..., Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, asked, dialled = listen(), [], []
    real = socket.create_connection

    def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["198.41.0.4"] if len(asked) == 1 else ["127.0.0.1"]

    def dial(address: tuple[str, int], *rest: object, **more: object) -> socket.socket:
        dialled.append(address[0])
        if address[0] == "198.41.0.4":  # public, and this machine can't reach it
            raise OSError("unreachable")
        return real(address, *rest, **more)

    monkeypatch.setattr(socket, "create_connection", dial)
    code = code_of(f"http://rebind.example:{here.port}/", resolve=rebinding)
    assert code == "fetch_failed"
    assert asked == ["rebind.example"], "the name is resolved once"
    assert dialled == ["198.41.0.4"], "and only the checked address is dialled"
    assert here.came == []


def test_a_redirect_to_a_forbidden_address_is_not_followed(
    listen: Callable[..., Listener], settings: Any
) -> None:
    inner = listen()
    for form in FORMS:
        door = listen(leads_to(f"http://{form}:{inner.port}/"))
        allow(settings, door)
        code = code_of(f"http://localhost:{door.port}/", seconds=3)
        assert code in {"address_refused", "url_invalid"}, form
        assert len(door.came) == 1
    for location in (
        "file:///etc/passwd",
        "gopher://localhost/",
        "//127.0.0.1/",
        "ftp://a.example",
    ):
        door = listen(leads_to(location))
        allow(settings, door)
        code = code_of(f"http://localhost:{door.port}/")
        assert code in {"address_refused", "url_invalid"}, location
    assert inner.came == []


def test_three_redirects_are_followed_and_a_fourth_is_not(
    listen: Callable[..., Listener], settings: Any
) -> None:
    last = listen()
    third = listen(leads_to(f"http://localhost:{last.port}/"))
    second = listen(leads_to(f"http://localhost:{third.port}/"))
    first = listen(leads_to(f"http://localhost:{second.port}/"))
    before = listen(leads_to(f"http://localhost:{first.port}/"))
    allow(settings, last, third, second, first, before)
    with outbound.opened(
        "GET", f"http://localhost:{first.port}/", headers={"Authorization": "secret"}
    ) as answer:
        assert answer.read() == b"hello"
        assert answer.url == f"http://localhost:{last.port}/"
    assert b"secret" in first.came[0]
    assert b"secret" not in last.came[0], "headers stay with the host they were meant for"
    assert code_of(f"http://localhost:{before.port}/") == "too_many_redirects"


def test_an_allowed_host_is_fetched_under_its_own_name(
    listen: Callable[..., Listener], settings: Any
) -> None:
    here = listen()
    allow(settings, here)
    status, headers, body = outbound.sent(
        "POST", f"http://localhost:{here.port}/hook?a=ü", content=b"{}", headers={"X-Own": "1"}
    )
    assert (status, headers["content-length"], body) == (200, "5", b"hello")
    asked = here.came[0].lower()
    assert asked.startswith(b"post /hook?a=%c3%bc http/1.1\r\n")
    assert f"host: localhost:{here.port}\r\n".encode() in asked
    assert b"x-own: 1\r\n" in asked


def test_tls_asks_for_the_name_though_the_socket_goes_to_the_address(
    listen: Callable[..., Listener], settings: Any
) -> None:
    here = listen(b"not tls")
    allow(settings, here)
    assert code_of(f"https://localhost:{here.port}/") == "fetch_failed"
    assert b"localhost" in here.came[0], "the name is in the first message of TLS"
    assert ssl.create_default_context().check_hostname


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://example.com/", "url_invalid"),
        ("file:///etc/passwd", "url_invalid"),
        ("javascript:alert(1)", "url_invalid"),
        ("http://", "url_invalid"),
        ("http:///path", "url_invalid"),
        ("http://user:word@example.com/", "url_invalid"),
        ("http://example.com@127.0.0.1/", "url_invalid"),
        ("http://example.com\\@127.0.0.1/", "url_invalid"),
        ("http://exa mple.com/", "url_invalid"),
        ("http://example.com/\r\nHost: other", "url_invalid"),
        ("http://[::1", "url_invalid"),
        ("http://[example.com]/", "url_invalid"),
        ("http://example.com:99999/", "url_invalid"),
        ("http://-example.com/", "url_invalid"),
        ("http://" + "a" * 3000 + ".com/", "url_invalid"),
        ("http://example.com:22/", "port_refused"),
        ("https://example.com:8443/", "port_refused"),
        ("http://no-such-name.invalid/", "host_unknown"),
    ],
)
def test_what_is_no_plain_web_address_is_refused_with_a_sentence(url: str, code: str) -> None:
    assert code_of(url) == code


def test_an_address_is_read_as_browsers_read_it() -> None:
    assert target_of("HTTP://EXAMPLE.com").url == "http://example.com/"
    assert (
        target_of("https://bücher.example/a b".replace(" ", "%20")).host == "xn--bcher-kva.example"
    )
    assert target_of("https://example.com:443/x?q=1#part").url == "https://example.com/x?q=1"
    assert target_of("http://example.com.:80/").authority == "example.com"


def test_only_addresses_of_the_public_internet_are_public() -> None:
    public = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "223.255.255.255"]
    public += ["2606:4700:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888"]
    for address in public:
        assert is_public(address), address
    private = [
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:a9fe:a9fe::",
        "::127.0.0.1",
        "::ffff:1.1.1.1",
    ]
    private += [
        "192.0.0.192",
        "224.0.0.1",
        "168.63.129.16",
        "198.18.0.1",
        "240.0.0.1",
        "192.88.99.1",
    ]
    private += ["2001::1", "2001:db8::1", "3fff::1", "5f00::1", "100::1", "fec0::1", "fe80::1%lo"]
    for address in private:
        assert not is_public(address), address


def test_a_body_beyond_the_limit_is_given_up_where_the_limit_is(
    listen: Callable[..., Listener], settings: Any
) -> None:
    said = listen(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000)
    unsaid = listen(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 3_000_000)
    allow(settings, said, unsaid)
    for door in (said, unsaid):
        assert code_of(f"http://localhost:{door.port}/", max_bytes=2**20) == "fetch_too_large"
    with (
        pytest.raises(TooLarge),
        outbound.opened("GET", f"http://localhost:{unsaid.port}/", max_bytes=2**20) as answer,
    ):
        assert sum(len(chunk) for chunk in answer.chunks()) <= 2**20


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"])
def test_a_server_that_drips_is_left_when_the_whole_time_is_over(
    start: bytes, settings: Any
) -> None:
    def drip(_asked: bytes, client: socket.socket) -> None:
        client.sendall(start or b"HTTP/1.1 200 OK\r\n")
        for _ in range(50):
            client.sendall(b"X: y\r\n" if not start else b"x")
            time.sleep(0.1)

    here = Listener(drip)
    allow(settings, here)
    began = time.monotonic()
    assert code_of(f"http://localhost:{here.port}/", seconds=0.6) == "fetch_timeout"
    assert time.monotonic() - began < 4, "it dripped for five seconds"
    here.close()


def test_a_fault_of_the_reader_is_not_told_as_a_fault_of_the_server(
    listen: Callable[..., Listener], settings: Any
) -> None:
    here = listen()
    allow(settings, here)
    with (
        pytest.raises(OSError, match="disk full"),
        outbound.opened("GET", f"http://localhost:{here.port}/"),
    ):
        raise OSError("disk full")
    assert not issubclass(Invalid, OSError)
