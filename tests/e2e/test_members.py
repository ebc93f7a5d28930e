"""A second person is invited, signs up and joins in a browser of their own."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Visitor

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(280)]
OWNER, GUEST = "olive@bramble-foods.com", "ann@bramble-foods.com"
PASSWORD = "a long enough password"


def link_from_mail(folder: Path, email: str) -> str:
    """Wait for the invitation's mail and return the path of its link."""
    for _second in range(60):
        for path in folder.glob("*"):
            text = path.read_text()
            found = re.search(r"/invitations/[\w-]+", text)
            if found and f"To: {email}" in text:
                return found[0]
        time.sleep(0.5)
    raise AssertionError(f"no invitation to {email}")


def sign_up(visitor: Visitor) -> str:
    page = visitor.page
    visitor.go("/accounts/signup/")
    page.fill("input[name=email]", OWNER)
    page.fill("input[name=password1]", PASSWORD)
    page.click("form:has(input[name=password1]) button[type=submit]")
    page.wait_for_selector("input[name=code]")
    page.fill("input[name=code]", visitor.code_from_mail(OWNER))
    page.click("form:has(input[name=code]) button[type=submit]")
    page.wait_for_url(re.compile(r"/t/[^/]+/$"))
    return page.url.split("/t/")[1].strip("/")


def the_only_owner_can_not_leave(visitor: Visitor) -> None:
    page = visitor.page
    visitor.shot("members-0-home")
    page.get_by_role("link", name="Settings", exact=True).first.click()
    expect(page.locator("[data-last-owner]")).to_contain_text("You are the only owner")
    expect(page.get_by_role("button", name="Leave the workspace")).to_have_count(0)
    visitor.shot("members-1-general")


def invite(visitor: Visitor) -> None:
    page = visitor.page
    page.locator("main .y-tabs").get_by_role("link", name="Members").click()
    visitor.shot("members-2-alone")
    page.fill("#id_email", GUEST)
    page.select_option("#id_role", "reviewer")
    page.get_by_role("button", name="Send the invitation").click()
    expect(page.locator(f"tr[data-invitation='{GUEST}']")).to_contain_text("Waiting")
    visitor.shot("members-3-invited")


def join(page: Page, url: str, slug: str, shots: Visitor) -> None:
    page.goto(url)
    expect(page.get_by_role("heading", name=re.compile("^Join "))).to_be_visible()
    shots.shot("members-4-invitation")
    page.get_by_role("link", name="Create an account and join").click()
    expect(page.locator("input[name=email]")).to_have_value(GUEST)
    page.fill("input[name=password1]", PASSWORD)
    page.click("form:has(input[name=password1]) button[type=submit]")
    page.wait_for_url(re.compile(rf"/t/{slug}/$"))


def leave(page: Page) -> None:
    page.get_by_role("link", name="Settings", exact=True).first.click()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Leave the workspace").click()
    page.wait_for_url(re.compile(r"/new$"))


def test_a_second_person_is_invited_signs_up_joins_and_leaves_and_the_last_owner_can_not(
    visitor: Visitor, browser: Browser
) -> None:
    slug = sign_up(visitor)
    the_only_owner_can_not_leave(visitor)
    invite(visitor)
    path = link_from_mail(visitor.site.place.state / "mail", GUEST)
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
    context.set_default_timeout(15_000)
    guest = context.new_page()
    join(guest, f"{visitor.site.url}{path}", slug, Visitor(guest, visitor.site))
    visitor.page.reload()
    expect(visitor.page.locator(f"tr[data-member='{GUEST}']")).to_be_visible()
    visitor.shot("members-5-two")
    leave(guest)
    visitor.page.reload()
    expect(visitor.page.locator(f"tr[data-member='{GUEST}']")).to_have_count(0)
    context.close()
