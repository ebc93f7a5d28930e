"""The live page of a run, while its server answers late, not at all, or asks for a sign-in."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.conftest import Visitor
from tests.site import RunningSite
from tests.system.customer import new_customer

pytestmark = pytest.mark.e2e
FAR = 1_000_000
"""Numbers of events that the real run does not reach."""


def frames(*numbers: int, retry: int = 100) -> str:
    """Return server-sent events that each say that a phase has begun."""
    told = [
        f"id: {FAR + n}\nevent: phase\ndata: "
        f"{json.dumps({'seq': FAR + n, 'kind': 'phase', 'payload': {'name': 'training'}})}\n\n"
        for n in numbers
    ]
    return f"retry: {retry}\n\n" + "".join(told)


class Held:
    """Requests for the page's part that wait until the test answers them."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.routes: list[Route] = []
        page.route("**/progress", self._hold)

    def _hold(self, route: Route) -> None:
        self.routes.append(route)

    def next(self) -> Route:
        """Wait for a request."""
        for _try in range(600):
            if self.routes:
                return self.routes.pop(0)
            self.page.wait_for_timeout(100)
        raise AssertionError("the page did not ask for its part again")


def test_no_change_of_a_run_is_missed_and_no_failed_answer_takes_its_progress_away(
    site: RunningSite, visitor: Visitor, tmp_path: Path
) -> None:
    customer = new_customer(site, tmp_path, email="patient@example.com")
    run = customer.train(epochs=2)["id"]
    address = f"/t/{customer.slug}/runs/{run}/"
    part = customer.account.http.get(f"{address}progress", headers={"HX-Request": "true"}).text

    def showing(percent: int) -> str:
        made, count = re.subn(r"(data-run-percent>)\d+%", rf"\g<1>{percent}%", part)
        assert count == 1
        return made

    events = iter([frames(1, 2), frames(3), frames(4)])
    page = visitor.page
    page.context.add_cookies(
        [
            {"name": one.name, "value": one.value, "url": site.url}
            for one in customer.account.http.cookies.jar
        ]  # type: ignore[typeddict-item, misc]
    )
    held = Held(page)
    page.route(
        "**/events*",
        lambda route: route.fulfill(
            content_type="text/event-stream", body=next(events, frames(retry=600_000))
        ),
    )
    visitor.go(address)
    percent = page.locator("[data-run-percent]")
    held.next().fulfill(body=showing(11), content_type="text/html")
    held.next().fulfill(body=showing(22), content_type="text/html")  # for the second event
    expect(percent).to_have_text("22%")
    held.next().fulfill(status=503, body="<p>later</p>", content_type="text/html")
    last = held.next()
    expect(percent).to_have_text("22%")
    last.fulfill(status=204, headers={"HX-Redirect": "/accounts/logout/"})
    page.wait_for_url("**/accounts/logout/")
    customer.api.post(f"runs/{run}/cancel")
