"""Which addresses are on the public internet, and how a URL is read before anything is asked.

Python's `is_global` is not enough: 3.11 says True of NAT64 and 6to4 forms of private addresses,
of multicast and of the metadata addresses 168.63.129.16 and 192.0.0.192.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import idna
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from modelyard.core.errors import Invalid

PORTS = {"http": 80, "https": 443}

# https://www.iana.org/assignments/iana-ipv4-special-registry, with multicast, reserved space
# and Azure's metadata and health address, which is a public number.
_NOT_PUBLIC_4 = tuple(
    ipaddress.IPv4Network(net)
    for net in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",
    )
)
# IPv6: only 2000::/3 is the internet. That leaves out ::1, ::a.b.c.d, ::ffff:a.b.c.d, NAT64
# (64:ff9b::/96 and 64:ff9b:1::/48), fc00::/7, fe80::/10 and ff00::/8. Inside it these are not:
# protocol assignments with Teredo, documentation, 6to4, documentation (RFC 9637).
_GLOBAL_6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    ipaddress.IPv6Network(net) for net in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
# The last 32 bits of an ISATAP address are an IPv4 address (RFC 5214), behind 0[02]00:5efe.
_ISATAP = 0x00005EFE

_CONTROL = re.compile(r"[\x00-\x20\x7f\\]")
# The WHATWG rule "ends in a number": such a host is an IPv4 address in some notation.
_NUMERIC = re.compile(r"(^|\.)(\d+|0[xX][0-9a-fA-F]*)\.?$")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*")


@dataclass(frozen=True)
class Target:
    """A checked URL: where to connect to and what to ask for.

    Attributes:
        host: Name in ASCII, or an address without brackets.
        path: Path with query, percent-encoded, never empty.
        allowed: The operator listed `host:port`, so its addresses are not checked.
    """

    scheme: str
    host: str
    port: int
    path: str
    allowed: bool = False

    @property
    def authority(self) -> str:
        """The `Host` header."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == PORTS[self.scheme] else f"{name}:{self.port}"

    @property
    def url(self) -> str:
        """The whole URL."""
        return f"{self.scheme}://{self.authority}{self.path}"


def is_public(text: str) -> bool:
    """Tell whether an IP address is one of the public internet's."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in net for net in _NOT_PUBLIC_4)
    if address.scope_id or address not in _GLOBAL_6:
        return False
    if (int(address) >> 32) & 0xFDFFFFFF == _ISATAP:
        return False
    return not any(address in net for net in _NOT_PUBLIC_6)


def refused() -> Invalid:
    """Return the one answer for every forbidden address: it must not tell networks apart."""
    return Invalid(
        _("This address is not on the public internet. Use one that anybody can reach."),
        code="address_refused",
    )


def _wrong(sentence: object) -> Invalid:
    return Invalid(sentence, code="url_invalid")


def _host_of(raw: str, bracketed: bool) -> str:
    if bracketed:
        if "%" in raw:  # A zone names a network card of ours.
            raise refused()
        try:
            return ipaddress.IPv6Address(raw).compressed
        except ValueError as error:
            raise _wrong(_("The address in brackets is not an IPv6 address.")) from error
    try:
        host = raw.lower() if raw.isascii() else idna.encode(raw, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise _wrong(_("The host's name can't be read.")) from error
    host = host.removesuffix(".")
    if not _HOST.fullmatch(host) or len(host) > 253:
        raise _wrong(_("The host's name can't be read."))
    if _NUMERIC.search(host):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError as error:
            raise refused() from error
    return host


def target_of(url: str) -> Target:
    """Read a URL that a customer gave.

    Raises:
        Invalid: `url_invalid`, `port_refused` or `address_refused`, with a sentence.
    """
    if len(url) > 2048 or _CONTROL.search(url):
        raise _wrong(_("Give one address without spaces, at most 2,048 characters long."))
    try:
        parts = urlsplit(url)
        given = parts.port
    except ValueError as error:
        raise _wrong(
            _("This is not an address. It looks like https://example.com/path.")
        ) from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise _wrong(_("The address must start with https:// or http:// and name a host."))
    if "@" in parts.netloc:
        raise _wrong(_("Leave user name and password out of the address."))
    host = _host_of(parts.hostname, parts.netloc.startswith("["))
    port = PORTS[parts.scheme] if given is None else given
    allowed = f"{host}:{port}" in settings.OUTBOUND_ALLOWED
    if port not in settings.OUTBOUND_PORTS and not allowed:
        raise Invalid(
            _("Leave the port out of the address, or use 80 or 443."), code="port_refused"
        )
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    if parts.query:
        path += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    return Target(parts.scheme, host, port, path, allowed)
