"""The labelling page in a real browser: keys, undo, a cut network, a reload, and its speed."""

from __future__ import annotations

import csv
import statistics
import uuid
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from modelyard.launch.client import Account, Api
from tests.e2e.conftest import Visitor
from tests.site import RunningSite, sign_up

pytestmark = pytest.mark.e2e
ROWS = 60
LATENCY = """
(key) => new Promise((resolve) => {
  const start = performance.now();
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start)));
})
"""


class Queue:
    """A customer's labelling project, and what the server says of it."""

    def __init__(self, site: RunningSite, folder: Path) -> None:
        self.account: Account = sign_up(site, f"{uuid.uuid4().hex[:8]}@example.com")
        self.api = Api(site.url, self.account.create_key())
        path = folder / "rows.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text"])
            rows = [
                f"Row {n}: 你好，上周订的花瓶今天收到了。The vase has a crack." for n in range(ROWS)
            ]
            writer.writerows([row] for row in rows)
        self.dataset = self.api.post("datasets", {"name": "tickets"})["id"]
        upload = self.api.upload(self.dataset, path)
        self.api.wait(f"uploads/{upload}", frozenset({"mapping"}), every=0.1)
        self.api.post(f"uploads/{upload}/import", {"text": "text"})
        self.api.wait(f"uploads/{upload}", frozenset({"done"}), every=0.1)
        body = {
            "dataset_id": self.dataset,
            "name": "October queue",
            "labels": ["Delivery", "Damaged item", "Refund", "Billing"],
            "guidelines": "Refund: wants money back.\nDamaged item: broken, or parts are missing.",
        }
        self.id = self.api.post("labeling/projects", body)["id"]
        self.path = f"/t/{self.account.slug}/labeling/{self.id}"

    def sign_in(self, visitor: Visitor) -> None:
        cookies = [
            {"name": one.name, "value": one.value, "url": visitor.site.url}
            for one in self.account.http.cookies.jar
        ]
        visitor.page.context.add_cookies(cookies)  # type: ignore[arg-type]

    def counts(self) -> dict[str, int]:
        found: dict[str, int] = self.api.get(f"labeling/projects/{self.id}")["counts"]
        return found

    def labels(self) -> dict[str, int]:
        found: dict[str, int] = self.api.get(f"labeling/projects/{self.id}")["label_counts"]
        return found


@pytest.fixture
def queue(site: RunningSite, visitor: Visitor, tmp_path: Path) -> Queue:
    found = Queue(site, tmp_path)
    found.sign_in(visitor)
    return found


def open_queue(visitor: Visitor, queue: Queue) -> Page:
    visitor.go(f"{queue.path}/label")
    expect(visitor.page.locator("[data-ready]")).to_have_count(1)
    return visitor.page


def saved(page: Page, queue: Queue, **wanted: int) -> None:
    """Wait until the server has what the page showed."""
    for _try in range(100):
        counts: dict[str, Any] = queue.counts()
        if all(counts[name] == value for name, value in wanted.items()):
            return
        page.wait_for_timeout(100)
    raise AssertionError((counts, wanted))


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


def test_a_key_is_on_the_screen_within_fifty_milliseconds(visitor: Visitor, queue: Queue) -> None:
    page = open_queue(visitor, queue)
    times = []
    for number in range(40):
        times.append(page.evaluate(LATENCY, "1"))
        expect(page.locator("[data-l-text]")).to_contain_text(f"Row {number + 1}:")
    p95 = statistics.quantiles(times, n=20)[-1]
    print(f"key to next frame: median {statistics.median(times):.1f} ms, p95 {p95:.1f} ms")
    assert p95 < 50, times
    saved(page, queue, accepted=40)


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
