"""robots.txt: what a site lets crawlers ask for, and how slowly. RFC 9309; Crawl-delay besides."""

from __future__ import annotations

from dataclasses import dataclass

from protego import Protego

AGENT = "Modelyard"
"""The product token that a robots.txt names us by."""
MAX_BYTES = 500 * 1024
"""What RFC 9309, section 2.5, asks a crawler to read at least."""


@dataclass(frozen=True)
class Robots:
    """What one site allows.

    Attributes:
        delay: Seconds between two requests that the site asks for; 0 for no wish.
    """

    delay: float
    _rules: Protego | None
    _open: bool = True

    def allow(self, url: str) -> bool:
        """Tell whether the site lets us ask for `url`."""
        return self._open if self._rules is None else bool(self._rules.can_fetch(url, AGENT))


ALL = Robots(0.0, None)
"""Of a site without robots.txt (status 4xx)."""
NONE = Robots(0.0, None, _open=False)
"""Of a site whose robots.txt can't be had just now: nothing may be asked for."""


def parse(body: bytes) -> Robots:
    """Read a robots.txt; lines that make no sense are passed over, as the RFC says."""
    rules = Protego.parse(body[:MAX_BYTES].decode("utf-8", errors="replace"))
    return Robots(float(rules.crawl_delay(AGENT) or 0.0), rules)


def of_answer(status: int, body: bytes) -> Robots:
    """Return what an answer for `/robots.txt` means (RFC 9309, section 2.3.1)."""
    if 200 <= status < 300:
        return parse(body)
    return ALL if 400 <= status < 500 and status != 429 else NONE
