"""The upload page in a real browser, against a real web process and a network that can be cut."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from tenants.models import Tenant
from tests.e2e.accessibility import serious_faults
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
        expect.set_options(timeout=30_000)  # 200 MB take their time on a busy machine
        try:
            yield found
        finally:
            expect.set_options(timeout=5_000)
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
    at = random.SystemRandom().randrange(8, PARTS - 4)
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


def row_of(page: Page, name: str) -> Locator:
    return page.locator("[data-file]").filter(has_text=name)


def several_files_are_paused_cancelled_and_sent_side_by_side(
    customer: Stand, tmp_path: Path
) -> None:
    names = ("one.csv", "two.csv", "three.csv")
    one, two, three = (write_big(tmp_path / name, 40 * MB) for name in names)
    (tmp_path / "empty.csv").touch()
    page, net = customer.open(), customer.net
    net.pause_at = lambda part: part == 3  # so that there is time to press a button
    choose(page, one, two, three, tmp_path / "empty.csv")
    expect(row_of(page, "empty.csv")).to_contain_text("This file is empty")
    row_of(page, "one.csv").get_by_role("button", name="Pause the upload of one.csv").click()
    expect(row_of(page, "one.csv")).to_contain_text("Paused at")
    row_of(page, "two.csv").get_by_role("button", name="Cancel the upload of two.csv").click()
    expect(row_of(page, "two.csv")).to_have_count(0)
    assert serious_faults(page) == []
    shot(page, "upload-several")
    page.set_viewport_size({"width": 390, "height": 844})
    shot(page, "upload-several-narrow")
    page.set_viewport_size({"width": 1440, "height": 900})
    net.pause_at = lambda _part: False
    expect(row_of(page, "three.csv").get_by_role("link", name="Map columns")).to_be_visible()
    expect(row_of(page, "one.csv")).to_contain_text("Paused at")
    row_of(page, "one.csv").get_by_role("button", name="Go on with the upload").click()
    expect(row_of(page, "one.csv").get_by_role("link", name="Map columns")).to_be_visible()
    page.emulate_media(color_scheme="dark")
    shot(page, "upload-several-dark")
    row_of(page, "one.csv").get_by_role("link", name="Map columns").click()
    page.wait_for_url("**/imports/*/")
    page.goto(f"{customer.web.url}{customer.path}")
    expect(page.locator("[data-waiting]")).to_have_count(0)  # the cancelled one is gone


def a_network_that_comes_back_needs_nobody(customer: Stand, tmp_path: Path) -> None:
    file = write_big(tmp_path / "reviews.csv", 40 * MB)
    page, net = customer.open(), customer.net
    net.cut_at = lambda part: part == 2
    choose(page, file)
    assert net.broken.wait(60)
    net.heal()
    page.wait_for_url("**/imports/*/")
    assert 2 in net.arrived()


def a_file_chosen_before_the_pages_program_is_there_is_taken(
    customer: Stand, tmp_path: Path
) -> None:
    file = write_big(tmp_path / "early.csv", 1 * MB)
    page = customer.context.new_page()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/js/upload/main*.js", hold)
    page.goto(f"{customer.web.url}{customer.path}", wait_until="commit")
    choose(page, file)
    page.wait_for_timeout(100)
    assert len(held) == 1
    assert not customer.net.log
    held[0].continue_()
    page.wait_for_url("**/imports/*/")


def a_file_over_the_plan_is_refused_on_the_page_before_its_first_byte(
    customer: Stand, tmp_path: Path
) -> None:
    file = tmp_path / "huge.csv"
    with file.open("wb") as target:
        target.truncate(2 * 1024**3)
    page = customer.open()
    choose(page, file)
    row = row_of(page, "huge.csv")
    expect(row.get_by_role("alert")).to_contain_text("huge.csv needs 2.0")
    expect(row.get_by_role("alert")).to_contain_text("Upgrade the plan")
    expect(row.get_by_role("link", name="See plans")).to_be_visible()
    shot(page, "upload-refused")
    assert customer.net.log == []


def an_upload_that_stopped_can_be_discarded_and_another_file_starts_anew(
    customer: Stand, tmp_path: Path
) -> None:
    file = write_big(tmp_path / "reviews.csv", 40 * MB)
    page, net = customer.open(), customer.net
    net.cut_at = lambda part: part == 3
    choose(page, file)
    assert net.broken.wait(60)
    page.close()
    net.heal()
    page = customer.open()
    expect(page.locator("[data-waiting]")).to_contain_text("is there. Choose the same file")
    assert serious_faults(page) == []
    file.write_bytes(b"text,label\nanother,a\n" + b"x" * 100)
    net.pause_at = lambda _part: True
    choose(page, file)
    expect(page.get_by_text("reviews.csv is another file")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    shot(page, "upload-another-narrow")
    page.locator("[data-waiting]").get_by_role("button", name="Discard").click()
    expect(page.locator("[data-waiting]")).to_have_count(0)
    net.pause_at = lambda _part: False
    page.wait_for_url("**/imports/*/")


def test_files_are_paused_cancelled_refused_discarded_and_go_on_by_themselves(
    tmp_path: Path,
) -> None:
    user = make_user()
    steps = (
        a_file_chosen_before_the_pages_program_is_there_is_taken,
        a_file_over_the_plan_is_refused_on_the_page_before_its_first_byte,
        several_files_are_paused_cancelled_and_sent_side_by_side,
        a_network_that_comes_back_needs_nobody,
        an_upload_that_stopped_can_be_discarded_and_another_file_starts_anew,
    )
    with stand(make_tenant(user), user) as customer:
        for step in steps:
            step(customer, tmp_path)
            customer.net.heal()
            for page in customer.context.pages:
                page.close()
