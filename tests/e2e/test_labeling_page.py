"""The labelling page in a real browser: keys, undo, a cut network, a reload, a killed page."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visitor
from tests.e2e.labeling import ROWS, Queue, open_queue, saved
from tests.site import RunningSite

pytestmark = pytest.mark.e2e


@pytest.fixture
def queue(site: RunningSite, visitor: Visitor, tmp_path: Path) -> Queue:
    found = Queue(site, tmp_path)
    found.sign_in(visitor)
    return found


def test_rows_are_labelled_skipped_and_undone_by_keys_and_the_progress_follows(
    visitor: Visitor, queue: Queue
) -> None:
    page = open_queue(visitor, queue)
    text = page.locator("[data-l-text]")
    expect(text).to_contain_text("Row 0:")
    for number in range(20):
        page.keyboard.press(str(number % 4 + 1))
    expect(text).to_contain_text("Row 20:")
    saved(page, queue, accepted=20)
    page.keyboard.press("u")
    expect(text).to_contain_text("Row 19:")
    page.keyboard.press("3")
    page.keyboard.press(" ")
    expect(page.locator("[data-l-progress]")).to_have_text("21 of 60")
    saved(page, queue, accepted=20, skipped=1)
    assert queue.labels() == {"Delivery": 5, "Damaged item": 5, "Refund": 6, "Billing": 4}
    page.keyboard.press("Control+z")
    expect(text).to_contain_text("Row 20:")
    saved(page, queue, accepted=20, skipped=0)
    page.keyboard.press("?")
    expect(page.locator("[data-l-sheet]")).to_be_visible()
    page.keyboard.press("1")
    page.keyboard.press("Escape")
    expect(text).to_contain_text("Row 20:")


def test_a_cut_network_and_a_reload_lose_no_label(visitor: Visitor, queue: Queue) -> None:
    page = open_queue(visitor, queue)
    page.context.set_offline(True)
    for _time in range(3):
        page.keyboard.press("1")
    expect(page.locator("[data-l-unsaved]")).to_have_text("3 unsaved, will retry")
    visitor.shot("labeling-offline")
    page.context.set_offline(False)
    saved(page, queue, accepted=3)
    expect(page.locator("[data-l-unsaved]")).to_be_hidden()
    page.keyboard.press("2")
    page.reload()
    expect(page.locator("[data-ready]")).to_have_count(1)
    saved(page, queue, accepted=4)
    expect(page.locator("[data-l-text]")).to_contain_text("Row 4:")


def test_the_pages_of_labelling_are_made_looked_at_and_frozen(
    visitor: Visitor, queue: Queue
) -> None:
    page = open_queue(visitor, queue)
    for number in range(24):
        page.keyboard.press(str(number % 4 + 1))
        expect(page.locator("[data-l-text]")).to_contain_text(f"Row {number + 1}:")
    saved(page, queue, accepted=24)
    paths = {
        "label": f"{queue.path}/label",
        "project": f"{queue.path}/",
        "projects": f"/t/{queue.account.slug}/labeling/",
        "new": f"/t/{queue.account.slug}/labeling/new?dataset={queue.dataset}",
    }
    for width, height in ((1440, 900), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            for name, path in paths.items():
                visitor.go(path)
                page.wait_for_load_state("networkidle")
                visitor.shot(f"labeling-{name}-{theme}-{width}")
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, (name, wide)
    page.set_viewport_size({"width": 1440, "height": 900})
    visitor.go(f"{queue.path}/")
    page.get_by_role("button", name="Freeze 24 labels").click()
    expect(page.get_by_text("Version 1 is being frozen with 24 new labels.")).to_be_visible()
    expect(page.get_by_text("Frozen", exact=True).first).to_be_visible()


def test_the_tasks_of_a_killed_page_come_back_within_a_minute(
    visitor: Visitor, queue: Queue
) -> None:
    page = open_queue(visitor, queue)
    for _row in range(3):
        page.keyboard.press("1")
    saved(page, queue, accepted=3)
    held = queue.counts()["leased"]
    assert held >= 17
    renderer_dies(page)
    mine = queue.lease_all()  # whatever the dead page does not hold
    assert len(mine) == ROWS - 3 - held
    back: set[str] = set()
    deadline = time.monotonic() + 60
    while len(back) < held and time.monotonic() < deadline:
        back |= queue.lease_all()
        queue.renew(mine | back)
        time.sleep(0.5)
    assert len(back) == held
    assert not back & mine
    queue.answer(mine | back, "Refund")
    assert queue.labels() == {"Delivery": 3, "Refund": ROWS - 3}


def renderer_dies(page: Page) -> None:
    """Kill the page's process: nothing of it runs any more, no unload handler either."""
    browser = page.context.browser
    assert browser is not None
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    with page.expect_event("crash", timeout=10_000):
        for process in processes:
            if process["type"] == "renderer":
                os.kill(process["id"], signal.SIGKILL)
