"""The first hour of a customer, in a real browser on the running platform."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visitor
from tests.samples import labelled
from tests.site import Api, CallRefused

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]
EMAIL = "mara@larkspur-home.com"
FREE_PREDICTIONS = 1_000


def faulty_csv(folder: Path) -> tuple[Path, list[int]]:
    """Write 300 good rows with 5 faults among them; return path and the faults' line numbers."""
    lines = ["text,label"]
    lines += [f'"{text}",{label}' for text, label in labelled(300)]
    lines[100] += "\n" + ",good"  # no text
    lines[150] += "\n" + '"too many cells",good,extra,cells'
    lines[200] += "\n" + '"a\x00b",good'  # NUL
    lines[250] += "\n" + "   ,bad"  # only spaces
    lines[280] += "\n" + "one cell only"
    text = "\n".join(lines) + "\n"
    wanted = (",good", '"too many', '"a\x00b"', "   ,bad", "one cell")
    numbers = [
        number for number, line in enumerate(text.split("\n"), start=1) if line.startswith(wanted)
    ]
    assert len(numbers) == 5
    path = folder / "reviews.csv"
    path.write_text(text, encoding="utf-8")
    return path, numbers


def sign_up(visitor: Visitor) -> str:
    page = visitor.page
    visitor.go("/accounts/signup/")
    visitor.shot("01-sign-up")
    page.fill("input[name=email]", EMAIL)
    page.fill("input[name=password1]", "a long enough password")
    page.click("form:has(input[name=password1]) button[type=submit]")
    page.wait_for_selector("input[name=code]")
    page.fill("input[name=code]", visitor.code_from_mail(EMAIL))
    page.click("form:has(input[name=code]) button[type=submit]")
    page.wait_for_url(re.compile(r"/t/[^/]+/$"))
    visitor.shot("02-home-empty")
    return page.url.split("/t/")[1].strip("/")


def import_rows(visitor: Visitor, path: Path, faults: list[int]) -> None:
    page = visitor.page
    page.get_by_role("link", name="Import a file").first.click()
    page.fill("input[name=name]", "reviews")
    page.click("form button[type=submit]:has-text('Choose a file')")
    page.set_input_files("input[type=file]", path)
    page.wait_for_selector("#map-form")
    expect(page.locator("select[name=role_0]")).to_have_value("text")
    expect(page.locator("select[name=role_1]")).to_have_value("label")
    visitor.shot("03-import-map")
    page.get_by_role("button", name="Import the rows").click()
    rejected = page.locator("tr[data-reject-line]")
    expect(rejected).to_have_count(5, timeout=30_000)
    shown = [int(row.get_attribute("data-reject-line") or 0) for row in rejected.all()]
    assert shown == faults
    visitor.shot("04-import-rejected")


def freeze(page: Page) -> None:
    page.locator("nav.y-crumbs a", has_text="reviews").click()
    page.get_by_role("button", name="Freeze a version").click()
    expect(page.get_by_text("v1, frozen")).to_be_visible(timeout=30_000)


def train(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_role("link", name="Train a model").first.click()
    page.fill("input[name=model_name]", "sentiment")
    page.check("input[name=preset][value=quick]")
    visitor.shot("05-run-new")
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_selector("[data-run]")
    seen = set()
    for _tick in range(1200):
        seen.add(page.locator("[data-run-percent]").inner_text())
        if page.locator("#run-progress").get_attribute("data-final") == "1":
            break
        if len(seen) == 4:
            visitor.shot("06-run-live")
        page.wait_for_timeout(200)
    assert len(seen) >= 4, f"the bar did not move: {seen}"
    expect(page.get_by_role("link", name="Read the report")).to_be_visible(timeout=15_000)
    visitor.shot("07-run-done")


def read_the_report(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_role("link", name="Read the report").click()
    expect(page.get_by_text("Macro F1").first).to_be_visible()
    expect(page.get_by_text("aseline").first).to_be_visible()
    expect(page.get_by_text("Confusion", exact=False).first).to_be_visible()
    visitor.shot("08-report")
    page.go_back()


def deploy_and_ask(visitor: Visitor) -> str:
    page = visitor.page
    page.get_by_role("link", name="Deploy", exact=True).click()
    page.fill("input[name=name]", "sentiment")
    page.locator("main form button[type=submit]", has_text="Deploy").click()
    button = page.get_by_role("button", name="Predict")
    expect(button).to_be_enabled(timeout=60_000)
    page.fill("#inp", "what a wonderful lamp")
    button.click()
    expect(page.locator("[data-answer]")).to_have_attribute("data-answer", "good")
    visitor.shot("09-deployment")
    return page.locator("[data-request-id]").inner_text()


def make_key(visitor: Visitor, slug: str) -> str:
    page = visitor.page
    visitor.go(f"/t/{slug}/keys/")
    page.fill("input[name=name]", "warehouse")
    page.get_by_role("button", name="Create key").click()
    key = page.locator("#new-key").inner_text()
    visitor.shot("10-key")
    return key


def use_up_the_plan(visitor: Visitor, key: str) -> None:
    api = Api(visitor.site.url, key)
    used = 1
    while used < FREE_PREDICTIONS:
        texts = [text for text, _label in labelled(min(100, FREE_PREDICTIONS - used))]
        api.post("deployments/sentiment/predict", {"inputs": texts})
        used += len(texts)
    with pytest.raises(CallRefused) as refused:
        api.post("deployments/sentiment/predict", {"inputs": "one more"})
    assert refused.value.status == 402
    problem = refused.value.problem
    assert (problem["code"], problem["limit"], problem["used"]) == (
        "quota_exceeded",
        FREE_PREDICTIONS,
        FREE_PREDICTIONS,
    )


def test_a_customer_goes_from_sign_up_to_the_plans_limit_without_reading_docs(
    visitor: Visitor, tmp_path: Path
) -> None:
    page = visitor.page
    slug = sign_up(visitor)
    path, faults = faulty_csv(tmp_path)
    import_rows(visitor, path, faults)
    freeze(page)
    train(visitor)
    read_the_report(visitor)
    request_id = deploy_and_ask(visitor)
    for _try in range(20):  # the ledger is written within a second
        visitor.go(f"/t/{slug}/usage/")
        if page.get_by_text(request_id).count():
            break
        page.wait_for_timeout(500)
    expect(page.get_by_text(request_id)).to_be_visible()
    visitor.shot("11-usage")
    use_up_the_plan(visitor, make_key(visitor, slug))
    visitor.go(f"/t/{slug}/deployments/sentiment/")
    page.fill("#inp", "one more")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#answer").get_by_text("1,000").first).to_be_visible()
    visitor.shot("12-limit")
    visitor.go(f"/t/{slug}/usage/")
    expect(page.get_by_text("1,000").first).to_be_visible()
    visitor.shot("13-usage-full")
    visitor.go(f"/t/{slug}/")
    visitor.shot("14-home-full")
