"""A customer with a labelling project, as the browser tests meet them."""

from __future__ import annotations

import csv
import uuid
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from modelyard.launch.client import Account, Api
from tests.e2e.conftest import Visitor
from tests.site import RunningSite, sign_up

ROWS = 60


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

    def lease_all(self) -> set[str]:
        """Lease by key whatever nobody holds."""
        path = f"labeling/projects/{self.id}/lease"
        found: set[str] = set()
        while given := self.api.post(path, {"n": 20, "page": "robot", "resume": False})["tasks"]:
            found |= {task["id"] for task in given}
        return found

    def renew(self, tasks: set[str]) -> None:
        """Keep leases."""
        path = f"labeling/projects/{self.id}/renew"
        for some in in_twenties(tasks):
            assert self.api.post(path, {"tasks": some})["lost"] == []

    def answer(self, tasks: set[str], label: str) -> None:
        """Answer them all with one label."""
        path = f"labeling/projects/{self.id}/annotations"
        for some in in_twenties(tasks):
            items = [{"task": task, "label": label, "client_id": task} for task in some]
            self.api.post(path, {"items": items})


def in_twenties(tasks: set[str]) -> list[list[str]]:
    rows = sorted(tasks)
    return [rows[start : start + 20] for start in range(0, len(rows), 20)]


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
