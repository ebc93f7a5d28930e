"""How fast the labelling page answers a key."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Visitor, browser, visitor
from tests.e2e.labeling import Queue, open_queue, saved
from tests.site import RunningSite

__all__ = ["browser", "visitor"]
pytestmark = pytest.mark.e2e
LATENCY = """
(key) => new Promise((resolve) => {
  const start = performance.now();
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start)));
})
"""


@pytest.fixture
def queue(site: RunningSite, visitor: Visitor, tmp_path: Path) -> Queue:
    found = Queue(site, tmp_path)
    found.sign_in(visitor)
    return found


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
