"""An upgrade on the running platform: web, workers and the stand-in for Stripe as processes."""

from __future__ import annotations

import os
import re
import time

import httpx2
import pytest

from tests.site import Account, Api, RunningSite, sign_up
from tests.stripe_stand import GOOD, until

pytestmark = pytest.mark.system
PATIENCE = 2 if os.environ.get("MODELYARD_DEEP") else 10
"""Seconds: 2 where nothing else runs on the machine."""


def press(account: Account, path: str, **fields: str) -> str:
    """Press a button of the usage page; return where at Stripe it leads."""
    page = account.http.get(f"/t/{account.slug}/usage/")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token is not None
    answer = account.http.post(
        f"/t/{account.slug}/usage/{path}",
        data={**fields, "csrfmiddlewaretoken": token.group(1)},
        headers={"Referer": str(page.url)},
        follow_redirects=False,
    )
    assert answer.status_code == 302, answer.text[:500]
    return str(answer.headers["Location"])


def test_an_upgrade_acts_within_two_seconds_and_so_does_its_end(site: RunningSite) -> None:
    account = sign_up(site, "upgrade@larkspur.test")
    api = Api(site.url, account.create_key())
    assert api.get("usage")["plan"] == "free"
    page = press(account, "checkout", plan="team")
    assert page.startswith(site.place.stripe_url)
    paid = httpx2.post(page, data={"number": GOOD, "action": "pay"})
    began = time.monotonic()
    assert paid.headers["Location"] == f"{site.url}/t/{account.slug}/usage/?checkout=success"
    until(lambda: api.get("usage")["plan"] == "team", 20)
    assert time.monotonic() - began < PATIENCE
    page = press(account, "portal")
    httpx2.post(page, data={"action": "end_now"})
    began = time.monotonic()
    until(lambda: api.get("usage")["plan"] == "free", 20)
    assert time.monotonic() - began < PATIENCE
