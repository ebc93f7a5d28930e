"""The first hour of a customer, in a real browser on the running platform."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.e2e.conftest import Visitor
from tests.e2e.operator import become_operator, lose_a_run
from tests.samples import GOOD, labelled
from tests.site import Api, CallRefused

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(560)]
EMAIL = "mara@larkspur-home.com"
FREE_PREDICTIONS = 1_000
CARD = "4242424242424242"
OPERATOR = "olga@modelyard.test"


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
        try:
            seen.add(page.locator("[data-run-percent]").inner_text())
        except PlaywrightTimeout as error:  # say what stands there instead
            raise AssertionError(page.locator("body").inner_text()[:2000]) from error
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


def label_by_keys(visitor: Visitor, slug: str, key: str, folder: Path) -> None:
    """Import 25 rows without labels, label 20 of them by keyboard, undo one, freeze, train."""
    api = Api(visitor.site.url, key)
    dataset = api.get("datasets")["data"][0]["id"]
    path = folder / "unlabelled.csv"
    rows = [text for text, _label in labelled(25, seed=7)]
    path.write_text("text\n" + "\n".join(f'"{row}"' for row in rows) + "\n", encoding="utf-8")
    upload = api.upload(dataset, path)
    api.wait(f"uploads/{upload}", frozenset({"mapping"}), every=0.1)
    api.post(f"uploads/{upload}/import", {"text": "text"})
    api.wait(f"uploads/{upload}", frozenset({"done"}), every=0.1)
    page = visitor.page
    visitor.go(f"/t/{slug}/datasets/{dataset}/")
    page.get_by_role("link", name="Label", exact=True).click()
    page.fill("input[name=name]", "Last week")
    page.fill("textarea[name=labels]", "bad\ngood")
    page.get_by_role("button", name="Make the project").click()
    page.get_by_role("link", name="Label", exact=True).first.click()
    expect(page.locator("[data-ready]")).to_have_count(1)
    visitor.shot("20-labeler")
    keys = {"bad": "1", "good": "2"}
    expect(page.locator(".y-label-row").first).to_contain_text("bad")
    for number in range(20):
        answer_one(page, keys)
        if number == 4:
            undo_one(page)
            answer_one(page, keys)
    page.wait_for_timeout(1500)  # the answers are sent within half a second
    page.goto(page.url.split("?")[0].removesuffix("/label") + "/")
    freeze = page.get_by_role("button", name="Freeze 20 labels")
    for _try in range(40):
        if freeze.count():
            break
        page.wait_for_timeout(250)
        page.reload()
    visitor.shot("21-labelled")
    freeze.click()
    wait_for_version(api, dataset, 2)
    visitor.go(f"/t/{slug}/datasets/{dataset}/")
    train(visitor)


def answer_one(page: Page, keys: dict[str, str]) -> None:
    """Read the row as a person would, and press its label's key."""
    shown = page.locator("[data-l-text]")
    before = shown.inner_text()
    page.keyboard.press(keys["good" if any(word in before for word in GOOD) else "bad"])
    expect(shown).not_to_have_text(before)


def undo_one(page: Page) -> None:
    shown = page.locator("[data-l-text]")
    before = shown.inner_text()
    page.keyboard.press("u")
    expect(shown).not_to_have_text(before)


def wait_for_version(api: Api, dataset: str, number: int) -> None:
    for _try in range(100):
        rows = api.get(f"datasets/{dataset}/versions")["data"]
        if any(row["number"] == number and row["status"] == "frozen" for row in rows):
            return
        time.sleep(0.1)
    raise AssertionError(rows)


def upgrade(visitor: Visitor, slug: str) -> None:
    page = visitor.page
    visitor.go(f"/t/{slug}/usage/")
    page.get_by_role("button", name="Upgrade to Team").click()
    page.wait_for_url(re.compile(r"/checkout/cs_test_"))
    page.get_by_label("Card number").fill(CARD)
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("heading", name="You are on the Team plan")).to_be_visible()
    visitor.shot("22-upgraded")
    visitor.go(f"/t/{slug}/deployments/sentiment/")
    page.fill("#inp", "a dreadful chair")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("[data-answer]")).to_have_attribute("data-answer", "bad")


def act_as_operator(visitor: Visitor, slug: str) -> None:
    """Find the failed run in the console, requeue it, find the act in the audit log."""
    place, page = visitor.site.place, visitor.page
    become_operator(visitor.site, page, OPERATOR)
    visitor.shot("23-console")
    page.goto(f"{place.ops_url}/jobs/run/?q=doomed")
    page.get_by_role("row").filter(has_text="doomed").get_by_role("link").first.click()
    expect(page.get_by_role("button", name="Requeue")).to_be_visible()
    visitor.shot("24-console-run")
    page.get_by_label("Reason").fill("the machine broke")
    page.get_by_role("button", name="Requeue").click()
    page.goto(f"{place.ops_url}/tenants/auditevent/?q=ops.run_requeued")
    row = page.get_by_role("row").filter(has_text="ops.run_requeued").first
    expect(row).to_contain_text(slug.split("-", maxsplit=1)[0], ignore_case=True)
    visitor.shot("25-audit")


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


def test_a_customer_goes_from_sign_up_to_a_paid_plan_and_an_operator_helps(
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
    key = make_key(visitor, slug)
    label_by_keys(visitor, slug, key, tmp_path)
    use_up_the_plan(visitor, key)
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
    upgrade(visitor, slug)
    api = Api(visitor.site.url, key)
    lose_a_run(visitor.site, api, api.get("runs")["data"][0]["dataset_version_id"])
    act_as_operator(visitor, slug)
