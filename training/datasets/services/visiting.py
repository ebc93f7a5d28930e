"""Asking strangers' sites politely: robots.txt first, never faster than they wish.

The delay between two requests to a host holds over all workers and workspaces: whoever asks holds
the host's slot in Valkey, which is free again so many seconds after the answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urljoin

from django.conf import settings

from modelyard.core import outbound, valkey
from modelyard.core.errors import DomainError
from training.datasets.collect import robots
from training.datasets.collect.robots import Robots

VISIT_SECONDS = 20.0
"""For one request, its body included."""
MAX_HOPS = 5
_SLICE = 2.0
_VERSION = "1.0"


class Skipped(Exception):
    """An item that can't be had; `code` is one of `collect.words.SKIPPED`."""

    def __init__(self, code: str, **detail: object) -> None:
        """Keep code and detail."""
        super().__init__(code)
        self.code = code
        self.detail = detail


@dataclass(frozen=True)
class Visit:
    """What a site answered; `url` is where, after redirects."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


def agent() -> str:
    """Return the User-Agent of pulls: who asks, and where to find us."""
    return f"{robots.AGENT}/{_VERSION} (+{settings.CRAWL_CONTACT})"


class Visitor:
    """Asks for pages one by one.

    Args:
        keep: Called every few seconds, also while waiting; ends the visit by raising.
        host: The only host that may be asked, as `host[:port]`; '' for any.
    """

    def __init__(self, keep: Callable[[], None], host: str = "") -> None:
        """Know no site yet."""
        self._keep = keep
        self._host = host
        self._robots: dict[str, Robots] = {}

    def get(self, url: str, headers: Mapping[str, str], max_bytes: int) -> Visit:
        """Ask for `url`, if its site allows; redirects are asked for like any address.

        Raises:
            Skipped: It can't be had, and why.
        """
        for _hop in range(MAX_HOPS):
            visit = self._allowed(url, headers, max_bytes)
            location = visit.headers.get("location", "")
            if visit.status not in outbound.REDIRECTS or not location:
                return visit
            following = urljoin(visit.url, location)
            if visit.url.startswith("https:") and following.startswith("http:"):
                raise Skipped("redirect_refused")
            url = following
        raise Skipped("too_many_redirects")

    def _allowed(self, url: str, headers: Mapping[str, str], max_bytes: int) -> Visit:
        try:
            target = outbound.target_of(url)
        except DomainError as error:
            raise Skipped(error.code) from error
        if self._host and target.authority != self._host:
            raise Skipped("other_host")
        site = f"{target.scheme}://{target.authority}"
        rules = self._rules(site, target.authority)
        if not rules.allow(target.url):
            code = "robots_unreachable" if rules is robots.NONE else "robots_disallowed"
            raise Skipped(code)
        return self._ask(target.url, headers, max_bytes, (target.authority, rules.delay))

    def _rules(self, site: str, host: str) -> Robots:
        """Return what the site allows; asked once a pull."""
        if site not in self._robots:
            rules = self._ask_for_rules(f"{site}/robots.txt", host)
            if rules.delay > settings.CRAWL_DELAY_SECONDS:
                _free_after(host, rules.delay)
            self._robots[site] = rules
        return self._robots[site]

    def _ask_for_rules(self, url: str, host: str) -> Robots:
        for _hop in range(MAX_HOPS):
            try:
                visit = self._ask(url, {}, robots.MAX_BYTES * 2, (host, 0.0))
                location = visit.headers.get("location", "")
                if visit.status not in outbound.REDIRECTS or not location:
                    return robots.of_answer(visit.status, visit.body)
                target = outbound.target_of(urljoin(visit.url, location))
            except (Skipped, DomainError):
                return robots.NONE
            url, host = target.url, target.authority
        return robots.ALL  # RFC 9309, 2.3.1.2: more than five redirects are "unavailable"

    def _ask(
        self, url: str, headers: Mapping[str, str], max_bytes: int, pace: tuple[str, float]
    ) -> Visit:
        host, wish = pace
        delay = max(settings.CRAWL_DELAY_SECONDS, wish)
        self._wait(host, delay)
        try:
            with outbound.opened(
                "GET",
                url,
                headers={"user-agent": agent(), **headers},
                max_bytes=max_bytes,
                seconds=VISIT_SECONDS,
                redirects=0,
            ) as answer:
                return Visit(answer.status, answer.headers, answer.read(), url)
        except DomainError as error:
            raise Skipped(error.code) from error
        finally:
            _free_after(host, delay)

    def _wait(self, host: str, delay: float) -> None:
        """Take the host's slot when it is free, keeping the pull alive until then."""
        self._keep()
        slot, held = _slot(host), round((delay + VISIT_SECONDS) * 1000)
        while not valkey.cache().set(slot, "1", nx=True, px=held):
            left = max(0.001, int(valkey.cache().pttl(slot)) / 1000)
            time.sleep(min(_SLICE, left))
            self._keep()


def _slot(host: str) -> str:
    return f"crawl:{host}"


def _free_after(host: str, seconds: float) -> None:
    valkey.cache().set(_slot(host), "1", px=max(1, round(seconds * 1000)))
