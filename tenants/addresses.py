"""Allow-lists of addresses: CIDR networks of both families, compared bit by bit.

An IPv4 address counts as its IPv6 form `::ffff:a.b.c.d` (RFC 4291, 2.5.5.2), so that one rule,
"the address begins with the network's bits", serves both families, here and in the door's script.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from django.utils.translation import gettext as _

from modelyard.core.errors import Forbidden, Invalid

MOST = 20
"""Networks a key may have."""
_MAPPED = 0xFFFF << 32


def clean(networks: Sequence[str]) -> list[str]:
    """Return the networks as they are stored, each once; a single address is a network of one.

    Raises:
        Invalid: `address_invalid` or `addresses_many`.
    """
    found: list[str] = []
    for text in networks:
        try:
            network = str(ipaddress.ip_network(text.strip(), strict=False))
        except ValueError:
            network = ""
        if not network or "%" in network:
            sentence = _(
                "“%(text)s” is not an address or a network. Write 192.0.2.7, 192.0.2.0/24 or"
                " 2001:db8::/32."
            ) % {"text": text[:60]}
            raise Invalid(
                sentence,
                code="address_invalid",
                fields=[{"field": "addresses", "message": sentence}],
            )
        if network not in found:
            found.append(network)
    if len(found) > MOST:
        raise Invalid(
            _("A key may have %(most)d networks. Join some of them.") % {"most": MOST},
            code="addresses_many",
        )
    return found


def _number(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    return int(address) | _MAPPED if address.version == 4 else int(address)


def bits(address: str) -> str:
    """Return the 128 binary digits of an address; '' for none."""
    return f"{_number(ipaddress.ip_address(address)):0128b}" if address else ""


def prefix(network: str) -> str:
    """Return the binary digits that every address of the network begins with."""
    found = ipaddress.ip_network(network)
    length = found.prefixlen + (96 if found.version == 4 else 0)
    return f"{_number(found.network_address):0128b}"[:length]


def allowed(networks: Sequence[str], address: str) -> bool:
    """Tell whether the address lies in one of the networks; no networks allow every address."""
    if not networks:
        return True
    digits = bits(address)
    return bool(digits) and any(digits.startswith(prefix(network)) for network in networks)


def refusal(address: str) -> Forbidden:
    """Return the refusal of a key that may not be used from `address` ('' is unknown)."""
    return Forbidden(
        _("This API key may not be used from %(address)s. Use it from an address on its list.")
        % {"address": address or _("an unknown address")},
        code="address_refused",
    )
