"""From the pricing page to a paid plan and back, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visitor
from tests.stripe_stand import DECLINED, GOOD

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
EMAIL = "buyer@larkspur-home.com"
NARROW, WIDE = {"width": 390, "height": 844}, {"width": 1440, "height": 900}


def looks(visitor: Visitor, name: str) -> None:
    """Keep the page light and dark, wide and narrow; no page may be wider than the window."""
    page: Page = visitor.page
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width, size in (("wide", WIDE), ("narrow", NARROW)):
            page.set_viewport_size(size)  # type: ignore[arg-type]
            visitor.shot(f"{name}-{scheme}-{width}")
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]


def test_a_plan_is_chosen_paid_for_used_and_cancelled(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("/pricing")
    looks(visitor, "60-pricing")
    page.get_by_role("link", name="Choose Team").click()
    page.fill("input[name=email]", EMAIL)
    page.fill("input[name=password1]", "a long enough password")
    page.click("form:has(input[name=password1]) button[type=submit]")
    page.wait_for_selector("input[name=code]")
    page.fill("input[name=code]", visitor.code_from_mail(EMAIL))
    page.click("form:has(input[name=code]) button[type=submit]")
    page.wait_for_url(re.compile(r"/usage/\?plan=team$"))
    expect(page.get_by_role("heading", name="One step left")).to_be_visible()
    looks(visitor, "61-usage-free")

    page.get_by_role("button", name="Upgrade to Team").click()
    page.wait_for_url(re.compile(r"/checkout/cs_test_"))
    expect(page.get_by_text("Sandbox: no money moves")).to_be_visible()
    page.get_by_label("Card number").fill(DECLINED)
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("alert")).to_contain_text("Your card was declined")
    looks(visitor, "62-checkout-declined")
    page.get_by_label("Card number").fill(GOOD)
    page.get_by_role("button", name="Subscribe").click()
    page.wait_for_url(re.compile(r"/usage/\?checkout=success"))
    expect(page.get_by_role("heading", name="You are on the Team plan")).to_be_visible()
    expect(page.get_by_text("of 100,000")).to_be_visible()
    looks(visitor, "63-usage-team")

    page.get_by_role("button", name="Manage billing").click()
    page.wait_for_url(re.compile(r"/portal/"))
    looks(visitor, "64-portal")
    page.get_by_role("button", name="Cancel at the end of the period").click()
    page.get_by_role("link", name="Go back").click()
    expect(page.get_by_text("Cancelled: Team stays until")).to_be_visible()
    page.get_by_role("button", name="Manage billing").click()
    page.get_by_role("button", name="Cancel now").click()
    page.get_by_role("link", name="Go back").click()
    expect(page.get_by_role("button", name="Upgrade to Team")).to_be_visible(timeout=10_000)
