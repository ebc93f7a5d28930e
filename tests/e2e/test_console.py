"""An operator helps a tenant, both in a real browser on the running platform."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.e2e.conftest import Visitor
from tests.e2e.operator import become_operator, lose_a_run
from tests.system.customer import new_customer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
OPERATOR = "otto@modelyard.test"
REASON = "The machine of your worker broke, so we start it again."


class Hand:
    """Counts clicks."""

    clicks = 0

    def click(self, thing: Locator) -> None:
        """Click."""
        self.clicks += 1
        thing.click()


def test_an_operator_finds_a_stuck_run_in_three_clicks_and_the_tenant_sees_who_and_why(
    visitor: Visitor, browser: Browser, tmp_path: Path
) -> None:
    customer = new_customer(visitor.site, tmp_path, rows=60, email="stuck@example.com")
    run = lose_a_run(visitor.site, customer.api, customer.version)
    page, hand = visitor.page, Hand()
    become_operator(visitor.site, page, OPERATOR)
    visitor.shot("30-console-home")

    hand.click(page.get_by_role("link", name="doomed #1"))
    expect(page.get_by_role("heading", name="doomed #1")).to_be_visible()
    expect(page.get_by_text("worker_lost").first).to_be_visible()
    visitor.shot("31-console-stuck-run")
    page.get_by_label("Reason").fill(REASON)
    hand.click(page.get_by_role("button", name="Requeue"))
    expect(page.get_by_role("status")).to_contain_text("is queued now")
    assert hand.clicks <= 3

    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
    jar = customer.account.http.cookies.jar
    context.add_cookies(
        [{"name": one.name, "value": one.value or "", "url": visitor.site.url} for one in jar]
    )
    tenant = context.new_page()
    tenant.goto(f"{visitor.site.url}/t/{customer.slug}/runs/{run}/")
    note = tenant.locator("#run-progress")
    expect(note).to_contain_text(f"{OPERATOR} of our staff put this run back in the queue")
    expect(note).to_contain_text(f"Reason: {REASON}")
    tenant.screenshot(path=Path("var/screenshots/32-helped.png"))
    context.close()
    customer.api.post(f"runs/{run}/cancel")
    customer.end_of(run, seconds=30)
