"""The map in a real browser: rows chosen by hand, by table and by legend, filtered and changed."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.accessibility import serious_faults
from tests.e2e.browser import chromium
from tests.e2e.conftest import SHOTS
from tests.factories import make_tenant, make_user, signed_in
from tests.factories_maps import QUICK_ENGINE, WRONG, Spot, make_mapped, spots
from tests.webserver import web_process
from training.datasets.services import mapper

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
SIDE, PAD = 65_535, 20


def shoot(page: Page, name: str) -> None:
    """Keep pictures of the page, wide and narrow, light and dark."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    for width, scheme in ((390, "dark"), (1440, "light"), (1440, "dark"), (390, "light")):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 900})
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, (name, width, wide)
        page.screenshot(path=SHOTS / f"{name}-{width}-{scheme}.png", full_page=True)
    page.set_viewport_size({"width": 1440, "height": 900})


def on_screen(page: Page, found: list[Spot]) -> list[tuple[float, float]]:
    """Where the whole map shows these points."""
    box = page.locator("#map-plot canvas").bounding_box()
    assert box is not None
    scale = (min(box["width"], box["height"]) - 2 * PAD) / SIDE
    left = box["x"] + (box["width"] - SIDE * scale) / 2
    top = box["y"] + (box["height"] - SIDE * scale) / 2
    return [(left + spot.x * scale, top + (SIDE - spot.y) * scale) for spot in found]


def draw_around(page: Page, found: list[Spot]) -> None:
    """Draw a lasso with the mouse that has these points in it."""
    places = on_screen(page, found)
    low = [min(axis) - 6 for axis in zip(*places, strict=True)]
    high = [max(axis) + 6 for axis in zip(*places, strict=True)]
    page.mouse.move(low[0], low[1])
    page.mouse.down()
    for x, y in ((high[0], low[1]), (high[0], high[1]), (low[0], high[1])):
        page.mouse.move(x, y, steps=4)
    page.mouse.up()


def test_rows_drawn_around_are_exactly_those_that_are_shown_and_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mapper, "ENGINE", QUICK_ENGINE)
    user = make_user()
    tenant = make_tenant(user)
    dataset = make_mapped(tenant)
    found = spots(tenant, dataset)
    sport = [spot for spot in found.values() if spot.is_sport]
    session = signed_in(user).cookies["session"].value
    # Before the browser: its event loop keeps Django from the database.
    with web_process() as web, chromium() as browser:
        context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
        context.set_default_timeout(30_000)
        context.add_cookies([{"name": "session", "value": session, "url": web.url}])
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        address = f"{web.url}/t/{tenant.slug}/datasets/{dataset.pk}"
        page.goto(f"{address}/map")
        page.locator("#map-plot[data-ready='50']").wait_for()
        count = page.locator("[data-map-count]")
        # The keyboard's way first: an area of the table, then the legend's.
        page.get_by_role("button", name="Choose area 2").press("Enter")
        expect(count).to_have_text("25 rows chosen")
        page.get_by_label("Colour by").select_option("neighbours")
        page.get_by_role("button", name="Most have another label").press("Enter")
        expect(count).to_have_text("1 row chosen")
        shoot(page, "map")
        page.get_by_label("Colour by").select_option("label")
        page.locator("#map-plot canvas").press("Escape")
        expect(page.locator("#map-bar")).to_be_hidden()
        page.mouse.move(*on_screen(page, sport[:1])[0])
        expect(page.locator("[data-row-text]")).to_have_text(sport[0].text)
        draw_around(page, sport)
        expect(count).to_have_text("25 rows chosen")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert serious_faults(page) == [], scheme
        page.get_by_role("button", name="Show these rows").click()
        page.wait_for_url(re.compile("pick="))
        expect(page.locator("[data-row-link]")).to_have_count(25)
        shown = page.locator("[data-row-link]").all_inner_texts()
        assert sorted(shown) == sorted(spot.text for spot in sport)
        page.go_back()
        page.locator("#map-plot[data-ready='50']").wait_for()
        page.get_by_role("button", name="Rectangle").click()
        ((x, y),) = on_screen(page, [spot for spot in sport if spot.text == WRONG])
        page.mouse.move(x - 3, y - 3)
        page.mouse.down()
        page.mouse.move(x + 3, y + 3, steps=3)
        page.mouse.up()
        expect(count).to_have_text("1 row chosen")
        page.locator("#map-bar").get_by_label("Label or tag").fill("sport")
        page.get_by_role("button", name="Set label").click()
        expect(page.get_by_role("cell", name=WRONG)).to_be_visible()
        page.get_by_role("button", name="Apply to all that match").click()
        expect(page.locator("[data-picked]")).to_be_visible()
        context.close()
        assert faults == []
