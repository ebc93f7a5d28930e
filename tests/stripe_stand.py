"""The stand-in for Stripe as a process, and what a test does with it over HTTP."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from billing import plans
from billing.sandbox.delivery import signature
from modelyard.embedded.supervisor import http_answers
from tests.site import stack
from tests.stack import mine

GOOD, DECLINED, LATER_BAD = "4242 4242 4242 4242", "4000000000000002", "4000000000000341"
KEY = "sk_test_of_the_tests"


@dataclass
class Stand:
    """The running stand-in."""

    url: str
    http: httpx2.Client = field(init=False)
    _events: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.http = httpx2.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=20
        )

    def call(self, method: str, path: str, **fields: str) -> dict[str, Any]:
        given = {"data": fields} if method == "POST" else {"params": fields}
        answer = self.http.request(method, path, **given)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def pay(self, page: str, number: str = GOOD) -> httpx2.Response:
        """Fill in the hosted page of a Checkout session."""
        return httpx2.post(page, data={"number": number, "action": "pay"}, timeout=20)

    def press(self, page: str, action: str, **fields: str) -> httpx2.Response:
        """Press a button of the hosted portal."""
        return httpx2.post(page, data={"action": action, **fields}, timeout=20)

    def subscription(self, customer: str) -> dict[str, Any]:
        found = self.call("GET", "/v1/subscriptions", customer=customer, status="all")
        return dict(found["data"][0])

    def events(self, customer: str) -> list[dict[str, Any]]:
        """Return every event of a customer, oldest first."""
        # Newest first, back to what is known from an earlier look.
        fresh: list[dict[str, Any]] = []
        known = self._events[-1]["id"] if self._events else ""
        more: dict[str, str] = {}
        while True:
            page = self.call("GET", "/v1/events", limit="100", **more)
            names = [one["id"] for one in page["data"]]
            if known in names:
                fresh += page["data"][: names.index(known)]
                break
            fresh += page["data"]
            if not page["has_more"]:
                break
            more = {"starting_after": names[-1]}
        self._events += fresh[::-1]
        things = [(one, one["data"]["object"]) for one in self._events]
        return [one for one, about in things if customer in {about["id"], about.get("customer")}]

    @contextmanager
    def sends_to(self, url: str) -> Iterator[str]:
        """Let events go to `url` for the block; the value is the endpoint's secret."""
        fields = {"url": url, "enabled_events[0]": "*"}
        made = self.call("POST", "/v1/webhook_endpoints", **fields)
        try:
            yield made["secret"]
        finally:
            self.call("DELETE", f"/v1/webhook_endpoints/{made['id']}")


@contextmanager
def running_stand(state: Path) -> Iterator[Stand]:
    """Run the stand-in with our plans on sale."""
    port = stack().ports.port(mine("stand"))
    command = [sys.executable, "-m", "billing.sandbox", "--port", str(port)]
    command += ["--state", str(state), "--prices", json.dumps(plans.price_list())]
    process = subprocess.Popen(command, env={**os.environ, "STRIPE_SECRET_KEY": KEY})
    ready = http_answers(f"http://localhost:{port}/healthz")
    try:
        until(ready, 10)
        yield Stand(f"http://localhost:{port}")
    finally:
        process.terminate()
        process.wait(10)


def until(holds: Any, seconds: float = 5.0) -> float:
    """Wait until `holds()`; return how long it took."""
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < seconds, "it did not happen in time"
        time.sleep(0.02)
    return time.monotonic() - start


def signed(event: dict[str, Any], secret: str, *, age: int = 0) -> tuple[bytes, str]:
    """Return body and signature of an event, as Stripe sends it."""
    body = json.dumps(event).encode()
    return body, signature(secret, body, int(time.time()) - age)


def text_of(html: str) -> str:
    """Return the words of a page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
