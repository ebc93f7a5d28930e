"""Whose request this is: the connection's address, or what a proxy of ours says of it.

`X-Forwarded-For` is believed from the addresses in `TRUSTED_PROXIES` only, and read from the
right: each proxy appends whom it heard, so the first address that is not a proxy of ours is the
client. What a client writes there itself stands further left and is never looked at.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.http.response import HttpResponseBase

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse(text: str) -> Address | None:
    """Return the address that `text` is, an IPv4 one unwrapped from IPv6; None when it is none."""
    try:
        found = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def proxies() -> list[Network]:
    """Return the networks whose word on the client's address is taken.

    Raises:
        ImproperlyConfigured: The setting holds something else.
    """
    try:
        return [ipaddress.ip_network(text.strip()) for text in settings.TRUSTED_PROXIES]
    except ValueError as error:
        raise ImproperlyConfigured(f"TRUSTED_PROXIES: {error}; see docs/settings.md") from error


def client_address(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """Return the client's address, '' when nobody can say.

    Args:
        peer: Address of the connection; '' on a socket without one.
        forwarded: Value of `X-Forwarded-For`.
        trusted: Networks of our own proxies.
    """
    found = parse(peer)
    hops = [hop for hop in forwarded.split(",") if hop.strip()]
    while found is not None and hops and any(found in network for network in trusted):
        found = parse(hops.pop())
    return "" if found is None else str(found)


class ClientAddressMiddleware:
    """Set `REMOTE_ADDR` to the client's address; nobody behind reads `X-Forwarded-For`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep the next handler and the trusted networks."""
        self.get_response = get_response
        self.trusted = proxies()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Decide once, for limits, allow-lists and logs alike."""
        forwarded = request.META.pop("HTTP_X_FORWARDED_FOR", "")
        peer = request.META.get("REMOTE_ADDR", "")
        request.META["REMOTE_ADDR"] = client_address(peer, forwarded, self.trusted)
        return self.get_response(request)
