"""A browser on the running site; every page is kept as a screenshot, and no page may misbehave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request

from tests.e2e.browser import ROOT, chromium
from tests.site import RunningSite

SHOTS = ROOT / "var" / "screenshots"


@dataclass
class Visitor:
    """A person at a browser."""

    page: Page
    site: RunningSite
    faults: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        """Open a page of the site."""
        answer = self.page.goto(f"{self.site.url}{path}")
        assert answer is not None
        assert answer.ok, (path, answer.status)

    def shot(self, name: str) -> None:
        """Keep what the page looks like."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png")

    def code_from_mail(self, email: str) -> str:
        """Read the six digits from the newest mail to `email`."""
        return newest_code(self.site.place.state / "mail", email)


def newest_code(folder: Path, email: str) -> str:
    for path in sorted(folder.glob("*"), key=lambda one: one.stat().st_mtime, reverse=True):
        text = path.read_text()
        if email in text:
            return next(
                line.strip()
                for line in text.splitlines()
                if len(line.strip()) == 6 and line.strip().isdigit()
            )
    raise AssertionError(f"no mail to {email}")


def watch(page: Page, site: RunningSite) -> list[str]:
    """Return a list that fills with whatever a page must not do."""
    faults: list[str] = []
    sign_in_provider = json.loads(site.place.env["OIDC_PROVIDERS"])[0]["server_url"]
    servers = (site.place.ops_url, site.place.env["S3_ENDPOINT_URL"], site.place.stripe_url)
    own = (site.url, *servers, sign_in_provider)

    def left_home(request: Request) -> None:
        if not request.url.startswith((*own, "data:", "blob:")):
            faults.append(f"left the origin: {request.url}")

    def said(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            faults.append(f"console: {message.text}")

    page.on("request", left_home)
    page.on("pageerror", lambda error: faults.append(f"script error: {error}"))
    page.on("console", said)
    return faults


# By module: while it runs, its event loop keeps Django's own tests on this process from working.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def visitor(browser: Browser, site: RunningSite) -> Iterator[Visitor]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
    context.set_default_timeout(15_000)
    page = context.new_page()
    someone = Visitor(page, site, watch(page, site))
    yield someone
    context.close()
    assert someone.faults == []
