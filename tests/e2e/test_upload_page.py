"""The upload page in a real browser, against a real web process and a network that can be cut."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tenants.models import Tenant
from tests.e2e.browser import chromium
from tests.e2e.conftest import SHOTS
from tests.factories import bearer, make_key, make_tenant, make_user, signed_in
from tests.factories_datasets import make_dataset
from tests.fakes.s3_recorder import Recorder, recorder
from tests.memory import Memory
from tests.push import write_big
from tests.webserver import WebProcess, web_process

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

MB = 10**6
SIZE = 200 * MB
PART = 8 * 1024**2
PARTS = -(-SIZE // PART)


class Stand:
    """A customer in a browser: the page's address, a key to look from outside."""

    def __init__(self, context: BrowserContext, web: WebProcess, net: Recorder, path: str) -> None:
        self.context, self.web, self.net, self.path = context, web, net, path
        self.faults: list[str] = []

    def open(self) -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        answer = page.goto(f"{self.web.url}{self.path}")
        assert answer is not None
        assert answer.ok, (answer.status, answer.text()[-1500:])
        return page


@contextmanager
def stand(tenant: Tenant, user: object, **options: object) -> Iterator[Stand]:
    session = signed_in(user).cookies["session"].value
    path = f"/t/{tenant.slug}/datasets/{make_dataset(tenant).pk}/import"
    with (
        recorder(os.environ["S3_ENDPOINT_URL"]) as net,
        web_process(S3_PUBLIC_ENDPOINT_URL=net.url) as web,
        chromium() as browser,
    ):
        context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
        context.set_default_timeout(30_000)
        context.add_cookies([{"name": "session", "value": session, "url": web.url}])
        found = Stand(context, web, net, path)
        yield found
        context.close()
        assert found.faults == []


def warm(customer: Stand, key: str) -> None:
    """Have both workers load what they load once: the page, the store's library, signatures."""
    dataset = customer.path.split("/")[4]
    for _time in range(16):  # a connection each, so that both take some
        headers = {"Authorization": key}
        with httpx2.Client(base_url=f"{customer.web.url}/api/v1/", headers=headers) as api:
            body = {"filename": "small.csv", "bytes": 9}
            upload = api.post(f"datasets/{dataset}/uploads", json=body).json()["id"]
            api.get(f"uploads/{upload}/parts").raise_for_status()
            api.delete(f"uploads/{upload}").raise_for_status()
        cookies = {one["name"]: one["value"] for one in customer.context.cookies()}
        url = f"{customer.web.url}{customer.path}"
        httpx2.get(url, cookies=cookies).raise_for_status()


def choose(page: Page, *paths: Path) -> None:
    page.locator('input[type="file"]').set_input_files(list(paths))


def test_200_mb_cut_at_a_random_part_go_on_after_the_tab_was_closed(tmp_path: Path) -> None:
    user = make_user()
    tenant = make_tenant(user)
    key = bearer(make_key(tenant))["HTTP_AUTHORIZATION"]
    file = write_big(tmp_path / "reviews.csv", SIZE)
    at = random.SystemRandom().randrange(3, PARTS - 6)
    with stand(tenant, user) as customer:
        net, web = customer.net, customer.web
        warm(customer, key)
        with Memory(web.pid) as memory:
            page = customer.open()
            net.cut_at = lambda part: part == at
            choose(page, file)
            assert net.broken.wait(60), at
            page.wait_for_timeout(300)
            shot(page, "upload-cut")
            page.close()
            api = httpx2.Client(base_url=f"{web.url}/api/v1/", headers={"Authorization": key})
            before = net.heal()

            page = customer.open()
            row = page.locator("[data-waiting]")
            expect(row).to_contain_text("% is there. Choose the same file again to go on.")
            upload = row.get_attribute("data-waiting")
            there = api.get(f"uploads/{upload}/parts").json()
            assert there["received"] == sorted(one.part for one in before if one.status == 200)
            assert at not in there["received"]
            assert 0 < len(there["received"]) < PARTS
            percent = 100 * there["received_bytes"] // SIZE
            expect(row).to_contain_text(f"{percent} % is there")
            shot(page, "upload-goes-on")
            choose(page, file)
            page.wait_for_url(f"**/imports/{upload}/")
            missing = sorted({*range(1, PARTS + 1)} - {*there["received"]})
            # The store was sent each missing part once, and no other again.
            assert sorted(one.part for one in net.log) == missing, at
            assert net.arrived() == missing
            assert api.get(f"uploads/{upload}").json()["status"] == "verifying"
    assert memory.grown < 50 * MB


def shot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")
