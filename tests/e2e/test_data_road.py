"""A file's whole road in a browser: dropped, read right, mapped, imported, frozen, compared."""

from __future__ import annotations

import base64
import random
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.accessibility import serious_faults
from tests.e2e.conftest import Visitor
from tests.site import Account, sign_up
from training.datasets.states import CHECKS

pytestmark = pytest.mark.e2e

SOON = 30_000
GOOD, BAD = "Příliš žluťoučký kůň", "Zażółć gęślą jaźń"
WORDS = [
    "háček",
    "čárka",
    "říčka",
    "žába",
    "šátek",
    "džbán",
    "kůže",
    "úterý",
    "ňadra",
    "žluč",
    "věž",
]


def rows() -> list[tuple[str, str]]:
    """Return 40 labelled texts that are no near duplicates of each other."""
    dice = random.Random(5)
    more = [f"{' '.join(dice.sample(WORDS, 9))} {number}" for number in range(38)]
    labelled = zip(more, ["ano", "ne"] * 19, strict=True)
    return [(f"{GOOD}, 0", "ano"), (f"{BAD}, 1", "ne"), *labelled]


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
    lines = ["text;label", *(f"{text};{label}" for text, label in [*rows(), *twins])]
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
    page.goto(f"{path}/health")
    checked(page)
    looked_at(visitor, "health")
    repeats_removed(page)
    looked_at(visitor, "fixed")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Every row is as it was before.")).to_be_visible(timeout=SOON)
    frozen(page, path, 1)
    looked_at(visitor, "versions")

    page.goto(f"{path}/health")
    checked(page)
    repeats_removed(page)
    frozen(page, path, 2)
    page.get_by_role("link", name="v2", exact=True).click()
    looked_at(visitor, "version")
    page.get_by_label("Compare with").select_option(label="v1")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("link", name="Added 1")).to_be_visible(timeout=SOON)
    expect(page.get_by_text(f"{GOOD}, 0").first).to_be_visible()
    looked_at(visitor, "compared")
    page.goto(f"{path}/imports")
    looked_at(visitor, "imports")


def checked(page: Page) -> None:
    """Wait until each check of the dataset's health has landed."""
    expect(page.locator("[data-check-status=done]")).to_have_count(len(CHECKS), timeout=2 * SOON)


def repeats_removed(page: Page) -> None:
    fix = page.get_by_role("link", name="Remove exact repeats…")
    expect(fix).to_be_visible(timeout=2 * SOON)
    fix.click()
    expect(page.get_by_text("1 row is meant.")).to_be_visible(timeout=SOON)
    page.get_by_role("button", name="Remove exact repeats").click()
    expect(page.get_by_text("1 row was changed.")).to_be_visible(timeout=SOON)


def frozen(page: Page, path: str, number: int) -> None:
    page.goto(f"{path}/")
    page.get_by_role("button", name="Freeze a version").click()
    expect(page.get_by_text(f"v{number}, frozen")).to_be_visible(timeout=SOON)
