"""Every page of the product, full and empty, in both themes, widths and languages.

The walk is derived from the URLconf, so a new page is covered the day it is added, or the test
says which parameter has no object. The screenshots are kept, to be looked at.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from playwright.sync_api import Browser, BrowserContext, Page

from modelyard.launch.client import Account
from tests.e2e.conftest import SHOTS, watch
from tests.samples import labelled, write_csv
from tests.site import RunningSite, sign_up
from tests.system.customer import Customer, new_customer

pytestmark = pytest.mark.e2e
DEEP = bool(os.environ.get("MODELYARD_DEEP"))
NO_PAGES = {
    "events": "a stream of events",
    "tray": "a part of every page",
    "progress": "a part of a page",
    "rows": "a part of a page",
    "deletions": "a part of a page",
    "retry": "only acts",
    "suggestions": "a part of a page",
    "gain": "a part of a page",
    "rejects": "a file",
    "files/<str:name>": "a file",
    "/file": "a file",
    "rows.csv": "a file",
    "rows.jsonl": "a file",
    "rows.parquet": "a file",
    "card.md": "a file",
    "export.csv": "a file",
    "export.jsonl": "a file",
    "/download": "a file",
    "key.pem": "a file",
    "accounts/data/": "a file",
    "openapi.json": "a file",
    "livez": "for a load balancer",
    "readyz": "for a load balancer",
}
"""Last words of addresses that answer a GET with something else than a whole page."""

NOBODYS = str(uuid.uuid5(uuid.NAMESPACE_URL, "nobody's"))
ABSENT = {
    "2fa/recovery-codes/": "no second factor yet",
    "2fa/recovery-codes/download/": "no second factor yet",
    "2fa/totp/deactivate/": "no second factor yet",
    "2fa/webauthn/keys/1/edit/": "no passkey yet",
    "2fa/webauthn/keys/1/remove/": "no passkey yet",
    "github/login/": "a provider that this site does not have",
    "github/login/callback/": "a provider that this site does not have",
    "google/login/": "a provider that this site does not have",
    "google/login/callback/": "a provider that this site does not have",
    "google/login/token/": "a provider that this site does not have",
    "login/error/": "says 401: the provider said no",
    NOBODYS: "a certificate, link or invitation that nobody has",
}
"""Last words of addresses that rightly refuse the person who looks, on a page of their own."""


@dataclass(frozen=True)
class Look:
    """How somebody looks at a page."""

    theme: str
    width: int
    language: str

    @property
    def height(self) -> int:
        return 900 if self.width > 800 else 844

    def __str__(self) -> str:
        return f"{self.theme}-{self.width}-{self.language}"


ALL = [
    Look(theme, width, language)
    for theme in ("light", "dark")
    for width in (1440, 390)
    for language in ("en", "zh-hans")
]
UNOPENED = (
    "certificate_id",
    "deletion_id",
    "token",
    "link",
    "export_id",
    "rows_export_id",
    "invitation_id",
    "member_id",
)
"""Parameters of addresses that only act, or that only a mail leads to."""
LOOKS = ALL if DEEP else [Look("light", 1440, "en"), Look("dark", 390, "zh-hans")]


def walk(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    for one in patterns:
        path = prefix + str(one.pattern).lstrip("^")
        if isinstance(one, URLResolver):
            yield from walk(one.url_patterns, path)
        elif "api/v1/" not in path and not path.endswith(tuple(NO_PAGES)) and "(?P" not in path:
            yield path


def parameters(path: str) -> list[str]:
    return re.findall(r"<(?:\w+:)?(\w+)>", path)


def filled(path: str, values: dict[str, str]) -> str:
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values[found[1]], path)


STATE = """() => ({
  wide: document.documentElement.scrollWidth,
  lang: document.documentElement.lang,
  title: document.title,
  h1: [...document.querySelectorAll("h1")].filter((one) => one.checkVisibility()).length,
})"""
SETTLED = """() => document.fonts.ready.then(
  () => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))))"""
"""Resolves when the letters are there and the scripts of the page have drawn once."""
PATHS = sorted(set(walk(get_resolver().url_patterns)))


@pytest.fixture(scope="module")
def customer(site: RunningSite, tmp_path_factory: pytest.TempPathFactory) -> Customer:
    """A customer who has one of everything: data, a queue, a run, a model that is live."""
    folder = tmp_path_factory.mktemp("eyes")
    found = new_customer(site, folder, email="eyes@example.com")
    assert found.end_of(found.train(epochs=2, name="reviews")["id"])["status"] == "succeeded"
    model = found.api.get("models")["data"][0]
    version = found.api.get(f"models/{model['id']}/versions")["data"][0]
    found.api.post("deployments", {"name": "reviews", "version_id": version["id"]})
    found.api.wait("deployments/reviews", frozenset({"live", "failed"}), every=0.2)
    found.api.post("deployments/reviews/predict", {"inputs": ["what a lovely lamp"]})
    return found


def uploaded(customer: Customer, dataset: str, folder: Path, rows: int) -> str:
    """Upload rows without a label, up to the question which column is what."""
    texts = [(text, "") for text, _label in labelled(rows, seed=rows)]
    upload = customer.api.upload(dataset, write_csv(folder / f"{rows}.csv", texts))
    customer.api.wait(f"uploads/{upload}", frozenset({"mapping"}), every=0.1)
    return upload


def changed(customer: Customer, dataset: str) -> str:
    """Tag all rows, so that there is a change to look at."""
    params = {"selection": {"filters": {}}, "tag": "seen"}
    body = {"kind": "tag", "params": params}
    change: str = customer.api.post(f"datasets/{dataset}/changes", body)["id"]
    customer.api.wait(f"changes/{change}", frozenset({"done"}), every=0.1)
    return change


@pytest.fixture(scope="module")
def values(customer: Customer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An object for every parameter of the URLconf's pages."""
    api, folder = customer.api, tmp_path_factory.mktemp("uploads")
    dataset = api.get("datasets")["data"][0]["id"]
    upload = uploaded(customer, dataset, folder, 20)
    api.post(f"uploads/{upload}/import", {"text": "text"})
    api.wait(f"uploads/{upload}", frozenset({"done"}), every=0.1)
    body = {"dataset_id": dataset, "name": "Second look", "labels": ["bad", "good"]}
    version = api.get(f"datasets/{dataset}/versions")["data"][0]["id"]
    compared = api.post(f"versions/{version}/compare", {})["id"]
    api.wait(f"comparisons/{compared}", frozenset({"done"}), every=0.1)
    source = {"kind": "url", "name": "Price list", "url": "https://127.0.0.1/prices.csv"}
    connector = api.post(f"datasets/{dataset}/connectors", source)["id"]
    pull = api.post(f"connectors/{connector}/pulls", {})["id"]
    api.wait(f"pulls/{pull}", frozenset({"failed"}), every=0.1)
    api.post(f"datasets/{dataset}/map", {})
    found = {
        "slug": customer.slug,
        "dataset_id": dataset,
        "version_id": version,
        "comparison_id": compared,
        "upload_id": uploaded(customer, dataset, folder, 10),
        "change_id": changed(customer, dataset),
        "project_id": api.post("labeling/projects", body)["id"],
        "key_id": customer.account.http.get(f"/t/{customer.slug}/api/v1/keys").json()["data"][0][
            "id"
        ],
        "connector_id": connector,
        "pull_id": pull,
        "pk": "1",
        "device_id": "1",
        **dict.fromkeys(UNOPENED, NOBODYS),
        "run_id": api.get("runs")["data"][0]["id"],
        "model_id": api.get("models")["data"][0]["id"],
        "name": "reviews",
    }
    api.wait(f"datasets/{dataset}/map", frozenset({"done"}), every=0.2)
    return found


def signed_in(context: BrowserContext, site: RunningSite, account: Account) -> None:
    context.add_cookies(
        [
            {"name": one.name, "value": one.value, "url": site.url}
            for one in account.http.cookies.jar
        ]  # type: ignore[typeddict-item, misc]
    )


def seen(page: Page, url: str, name: str, look: Look) -> str | None:
    """Open one page and keep a screenshot; return what is wrong with it."""
    answer = page.goto(url, wait_until="load")
    assert answer is not None
    if answer.status in {405, 302}:
        return None  # an address that only acts
    if answer.status != 200 and not url.endswith(tuple(ABSENT)):
        return f"{url}: {answer.status}"
    if "api/docs" in url:
        page.locator(".opblock").first.wait_for()
    page.evaluate(SETTLED)
    SHOTS.joinpath("pages").mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / "pages" / f"{name}-{look}.png", full_page=True)
    state = page.evaluate(STATE)
    if state["wide"] > look.width:
        return f"{url}: {state['wide']} px wide at {look.width}"
    if state["lang"].lower() != look.language or not state["title"] or state["h1"] != 1:
        return f"{url}: {state}"
    return None


def looked_at(
    browser: Browser, site: RunningSite, account: Account | None, paths: dict[str, str], look: Look
) -> None:
    context = browser.new_context(
        viewport={"width": look.width, "height": look.height},
        color_scheme=look.theme,  # type: ignore[arg-type]
        locale={"en": "en-US", "zh-hans": "zh-CN"}[look.language],
    )
    if account is not None:
        signed_in(context, site, account)
    page = context.new_page()
    faults = watch(page, site)
    wrong = [seen(page, f"{site.url}{path}", name, look) for name, path in paths.items()]
    context.close()
    assert not any(wrong), "\n".join(filter(None, wrong))
    assert not faults, "\n".join(faults)


def named(prefix: str, path: str) -> str:
    short = re.sub(r"<[^>]*>", "one", path.removeprefix("t/<slug:slug>/"))
    return f"{prefix}-{re.sub(r'[^a-z0-9]+', '-', short).strip('-') or 'home'}"


def test_every_parameter_of_a_page_has_an_object(values: dict[str, str]) -> None:
    assert {name for path in PATHS for name in parameters(path)} - set(values) == set()
    assert len(PATHS) >= 40


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_every_page_of_a_busy_workspace_fits_and_behaves(
    browser: Browser, site: RunningSite, customer: Customer, values: dict[str, str], look: Look
) -> None:
    account = customer.account
    paths = {named("full", path): filled(path, values) for path in PATHS if "logout" not in path}
    looked_at(browser, site, account, paths, look)


@pytest.mark.parametrize("look", ALL if DEEP else LOOKS[1:], ids=str)
def test_every_page_of_an_empty_workspace_fits_and_behaves(
    browser: Browser, site: RunningSite, look: Look
) -> None:
    account = sign_up(site, f"empty-{look}@example.com")
    paths = {
        named("empty", path): filled(path, {"slug": account.slug})
        for path in PATHS
        if parameters(path) == ["slug"]
    }
    looked_at(browser, site, account, paths, look)


@pytest.mark.parametrize("look", ALL if DEEP else LOOKS[1:], ids=str)
def test_every_page_for_somebody_signed_out_fits_and_behaves(
    browser: Browser, site: RunningSite, look: Look
) -> None:
    paths = {named("out", path): filled(path, {}) for path in PATHS if not parameters(path)}
    looked_at(browser, site, None, paths, look)
