"""The health page in a real browser: findings, a previewed fix, its undo."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from playwright.sync_api import Page, expect

from tenants.models import Tenant
from tenants.scoping.context import tenant_scope
from tests.e2e.browser import chromium
from tests.e2e.conftest import SHOTS
from tests.factories import make_tenant, make_user, signed_in
from tests.factories_datasets import csv_of, freeze, import_file, make_dataset
from tests.webserver import web_process
from training.datasets import checking, selectors, services
from training.datasets.services.checks import check_run
from training.datasets.states import CHECKS

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
NOUNS = ["lamp", "phone", "chair", "kettle", "radio", "screen", "cable", "camera"]


def rows() -> list[tuple[str, str]]:
    found = []
    for number in range(160):
        noun = NOUNS[number % len(NOUNS)]
        text = f"The {noun} of order {number * 7919} came {number % 9} days late, said {noun}s desk"
        found.append((text, ["good", "bad", "fair"][number % 3]))
    found += [(found[at][0].upper(), found[at][1]) for at in range(12)]
    found += [(f"{found[20][0]} again", "bad"), (found[30][0].replace("The", "the"), "rare")]
    found += [("Nobody has this label but two", "rare")]
    found += [(f"Call me at +86 138{number:08} or write lee{number}@example.org", "bad")
              for number in range(9)]  # fmt: skip
    found += [("<p>It <b>broke</b> &amp; nobody answers</p>", "bad"), ("...", "bad")]
    found += [("Le cafÃ© est trÃ¨s agrÃ©able et le personnel est gentil", "good")]
    found += [
        (f"这个手机的屏幕非常清楚，电池也很耐用，我用了{number}天", "good") for number in range(6)
    ]
    found += [(" ".join(f"word{at}" for at in range(400)), "fair")]
    return found


def worked(tenant: Tenant, dataset_id: uuid.UUID) -> None:
    """Do what the workers do, on a thread: the browser's own has an event loop."""

    def work() -> None:
        with tenant_scope(tenant.pk):
            change = selectors.change_list(dataset_id).first()
        if change is not None:
            services.change_run(tenant_id=tenant.pk, change_id=change.pk)
        with tenant_scope(tenant.pk):
            checks = checking.check_list(dataset_id)
        for check in checks:
            check_run(tenant_id=tenant.pk, check_id=check.pk)
        connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


def shoot(page: Page, name: str) -> None:
    """Keep pictures of the page, wide and narrow, light and dark."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    for width in (1440, 390):
        for scheme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, (name, width, wide)
            page.screenshot(path=SHOTS / f"{name}-{width}-{scheme}.png", full_page=True)
    page.set_viewport_size({"width": 1440, "height": 900})


def test_duplicates_are_previewed_removed_and_brought_back(settings: Any) -> None:
    settings.CHECK_BY_ITSELF = True
    user = make_user()
    tenant = make_tenant(user)
    dataset = make_dataset(tenant)
    import_file(tenant, dataset, csv_of(rows()))
    freeze(tenant, dataset.pk)
    with tenant_scope(tenant.pk):
        before = selectors.dataset_hash(dataset.pk)
    session = signed_in(user).cookies["session"].value
    with web_process() as web, chromium() as browser:
        context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
        context.set_default_timeout(30_000)
        context.add_cookies([{"name": "session", "value": session, "url": web.url}])
        page = context.new_page()
        page.goto(f"{web.url}/t/{tenant.slug}/datasets/{dataset.pk}/health")
        page.get_by_role("button", name="Check all rows").click()
        expect(page.locator("[data-check-status=waiting]")).to_have_count(len(CHECKS))
        worked(tenant, dataset.pk)
        expect(page.locator("[data-check-status=done]")).to_have_count(len(CHECKS))
        shoot(page, "health")
        page.get_by_role("link", name="Remove exact repeats…").click()
        expect(page.get_by_text("13 rows are meant.")).to_be_visible()
        shoot(page, "health-fix")
        page.get_by_role("button", name="Remove exact repeats").click()
        expect(page.locator("[data-fix-status=waiting]")).to_be_visible()
        worked(tenant, dataset.pk)
        expect(page.get_by_text("13 rows were changed.")).to_be_visible()
        expect(page.get_by_text("No text occurs twice.")).to_be_visible()
        page.get_by_role("link", name="Mask personal data…").click()
        page.wait_for_url("**/health/fix?*")
        shoot(page, "health-mask")
        page.go_back()
        page.get_by_role("button", name="Undo").click()
        expect(page.locator("[data-fix-status=undoing]")).to_be_visible()
        worked(tenant, dataset.pk)
        expect(page.get_by_text("Every row is as it was before.")).to_be_visible()
        context.close()
    with tenant_scope(tenant.pk):
        assert selectors.dataset_hash(dataset.pk) == before
