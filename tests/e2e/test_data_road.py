"""A file's whole road in a browser: dropped, read right, mapped, imported, frozen, compared."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.accessibility import serious_faults
from tests.e2e.conftest import Visitor
from tests.site import Account, sign_up

pytestmark = pytest.mark.e2e

SOON = 30_000
GOOD, BAD = "Příliš žluťoučký kůň", "Zażółć gęślą jaźń"
ROWS = [(f"{text}, {n}", label) for n in range(20) for text, label in ((GOOD, "ano"), (BAD, "ne"))]


def sign_in(visitor: Visitor, account: Account) -> None:
    cookies = [
        {"name": one.name, "value": one.value or "", "url": visitor.site.url}
        for one in account.http.cookies.jar
    ]
    visitor.page.context.add_cookies(cookies)


def drop(page: Page, name: str, content: bytes) -> None:
    """Drop a file on the page, as a hand does."""
    data = page.evaluate_handle(
        """([name, text]) => {
            const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], name));
            return data;
        }""",
        [name, base64.b64encode(content).decode()],
    )
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event("[data-drop]", event, {"dataTransfer": data})


def looked_at(visitor: Visitor, name: str) -> None:
    """Keep pictures of the page, and require that axe finds no serious fault in light and dark."""
    page = visitor.page
    page.set_viewport_size({"width": 390, "height": 844})
    visitor.shot(f"road-{name}-narrow")
    page.set_viewport_size({"width": 1440, "height": 900})
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious_faults(page) == [], scheme
        visitor.shot(f"road-{name}-{scheme}")
    page.emulate_media(color_scheme="light")


def test_a_file_goes_all_the_way(visitor: Visitor, tmp_path: Path) -> None:
    account = sign_up(visitor.site, "road@example.com")
    sign_in(visitor, account)
    page = visitor.page
    visitor.go(f"/t/{account.slug}/datasets/new")
    looked_at(visitor, "new")
    page.get_by_label("Name").fill("tickets")
    page.get_by_role("button", name="Choose a file").click()
    page.wait_for_url("**/import")
    looked_at(visitor, "upload")

    twins = [(f"  {GOOD}, 0 ", "ano"), (f"{BAD}, 1", "ne")]
    lines = ["text;label", *(f"{text};{label}" for text, label in [*ROWS, *twins])]
    drop(page, "tickets.csv", "\r\n".join(lines).encode("cp1250"))
    page.wait_for_url("**/imports/*/")
    expect(page.get_by_role("button", name="Import the rows")).to_be_visible(timeout=SOON)
    looked_at(visitor, "map")
    page.get_by_label("Encoding").select_option("windows-1250")
    page.get_by_role("button", name="Read again").click()
    expect(page.get_by_text(f"{GOOD}, 0").first).to_be_visible(timeout=SOON)
    expect(page.get_by_label("Role of text")).to_have_value("text")
    page.get_by_label("Role of label").select_option("label")
    page.get_by_role("button", name="Import the rows").click()
    expect(page.get_by_text(re.compile("rows imported"))).to_be_visible(timeout=SOON)
    looked_at(visitor, "imported")

    path = page.url.split("/imports/")[0]
    page.goto(f"{path}/")
    looked_at(visitor, "rows")
    page.get_by_role("button", name="Freeze a version").click()
    expect(page.get_by_text("v1, frozen")).to_be_visible(timeout=SOON)
    looked_at(visitor, "versions")
    page.goto(f"{path}/imports")
    looked_at(visitor, "imports")
