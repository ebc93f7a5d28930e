"""Nothing that a customer writes runs in anybody's browser.

The payloads are written into every text of a workspace (all columns of all tenant tables, from
PostgreSQL's catalog, and what is kept as JSON), then every page is opened in Chromium, filled in
and sent; addresses carry them as well. One page shows all payloads of a field.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

import pytest
from playwright.sync_api import BrowserContext, Page
from playwright.sync_api import Error as PlaywrightError

from tenants.models import ApiKey, Tenant, User
from tenants.scoping.context import tenant_scope
from tests.e2e.browser import chromium
from tests.factories import make_tenant, signed_in
from tests.factories_ops import Console, make_staff, running_console
from tests.integration.test_isolation import known
from tests.routes import OTHERS, PAGES
from tests.system.walking import plant, query_names
from tests.webserver import web_process
from training.datasets.models import DatasetVersion, Example, Upload
from training.labeling.models import Project

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(1200),
]
DEEP = bool(os.environ.get("MODELYARD_DEEP"))
PAYLOADS = [
    # Short ones first: five fit into a name of 120 characters.
    "<img src=x onerror=__x=1>", '"><svg onload=__x=2>', "'-__x=3-'",
    "</title><script>__x=4</script>", "{{__x=5}}",
    "<script>__x=6</script>", "</script><script>__x=7</script>", "<body onload=__x=8>",
    "<iframe srcdoc='<script>parent.__x=9</script>'>", "javascript:__x=10",
    "<a href=javascript:__x=11 autofocus onfocus=__x=11>a</a>", "\" autofocus onfocus=__x=12 \"",
    "' onmouseover='__x=13", "<details open ontoggle=__x=14>", "<video><source onerror=__x=15>",
    "<svg><animate onbegin=__x=16 attributeName=x dur=1s>", "<math><mi//xlink:href='data:x'>",
    "<style>@import '//evil.example'</style>", "<link rel=stylesheet href=//evil.example>",
    "<base href=//evil.example/>", "<meta http-equiv=refresh content='0;//evil.example'>",
    "<form action=//evil.example><button>", "<object data=javascript:__x=23>",
    "<embed src=javascript:__x=24>", "<div hx-get='/x' hx-trigger='load'>",
    "<div hx-on::load='__x=26'>", "<div hx-on:click='__x=27'>", "<input onfocus=__x=28 autofocus>",
    "<marquee onstart=__x=29>", "--><script>__x=30</script><!--", "]]><script>__x=31</script>",
    "${__x=32}", "`-__x=33-`", "\\';__x=34;//", "%3Cscript%3E__x=35%3C/script%3E",
    "&lt;img src=x onerror=__x=36&gt;", "\u2028__x=37\u2028", "<ſcript>__x=38</ſcript>",
    "<x onclick=__x=39 style=position:fixed;inset:0>",
    "<div style='background:url(//evil.example)'>",
]  # fmt: skip
BATCH = 5
WATCH = """
document.addEventListener('securitypolicyviolation', (event) => {
  console.log('CSP: ' + event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sample);
});
"""
FILL = """(text) => {
  const own = (form) => !/logout|sign.?out|delet|remove|leave/i.test(form.action);
  const forms = [...document.querySelectorAll('form')].filter(own);
  const good = forms.filter((form) => form.querySelector(
    'input[type=text], input[type=search], input[type=email], input:not([type]), textarea'));
  if (!good.length) return false;
  for (const box of good.at(-1).querySelectorAll('input, textarea')) {
    if (/^(hidden|checkbox|radio|file|submit|button)$/.test(box.type)) continue;
    box.type = box.tagName === 'INPUT' ? 'text' : box.type;
    box.removeAttribute('maxlength');
    box.removeAttribute('pattern');
    box.value = text;
  }
  good.at(-1).noValidate = true;
  good.at(-1).requestSubmit();
  return true;
}"""


@dataclass
class Victim:
    """Somebody who opens pages, and all that should not have happened meanwhile."""

    page: Page
    url: str
    found: list[str] = field(default_factory=list)
    opened: int = 0
    shown: int = 0
    sent: int = 0

    def links(self) -> set[str]:
        """Return the addresses that the page leads to, one of each kind of page."""
        found = self.page.eval_on_selector_all("a[href]", "all => all.map((one) => one.href)")
        paths = {str(one).removeprefix(self.url).split("#")[0] for one in found}
        return {
            path
            for path in paths
            if path.startswith("/") and not re.search(r"logout|static|\?", path)
        }

    def open(self, path: str, *, send: bool = True) -> None:
        """Open a page, look, fill its last form in and send it."""
        try:
            self.page.goto(f"{self.url}{path}", wait_until="load")
        except PlaywrightError as error:
            if "Download is starting" in str(error) or "ERR_ABORTED" in str(error):
                return
            raise
        self.opened += 1
        self.look(path)
        body = self.page.content()
        self.shown += "__x=" in body
        if send and self.page.evaluate(FILL, " ".join(PAYLOADS[:BATCH])):
            self.page.wait_for_load_state("load")
            self.sent += 1
            self.look(f"{path}, sent")

    def look(self, where: str) -> None:
        """Note what ran."""
        try:
            ran = self.page.evaluate("window.__x")
        except PlaywrightError:  # the page is on its way to the next: look there
            self.page.wait_for_load_state("load")
            ran = self.page.evaluate("window.__x")
        if ran is not None:
            self.found.append(f"{where}: payload {ran} ran")


def _write(tenant: Tenant, user: User, payloads: list[str]) -> int:
    """Write the payloads wherever the customer's words are kept."""
    every = " ".join(payloads)
    planted = plant(tenant, every, keep=0)
    Tenant.objects.filter(pk=tenant.pk).update(name=every[:60])
    User.objects.filter(pk=user.pk).update(name=every[:60])
    ApiKey.objects.filter(tenant=tenant).update(name=every[:80])
    with tenant_scope(tenant.pk):
        Example.objects.update(data={"text": every, "more": every, every[:40]: "x"})
        Project.objects.update(
            labels=[{"name": text, "key": str(at)} for at, text in enumerate(payloads, 1)]
        )
        DatasetVersion.objects.update(label_counts=dict.fromkeys(payloads, 1))
        Upload.objects.update(
            mapping={"text": payloads[0], "label": payloads[1]},
            preview={"columns": payloads, "rows": [payloads]},
        )
    return planted


@contextmanager
def _victim(context: BrowserContext, url: str) -> Iterator[Victim]:
    page = context.new_page()
    victim = Victim(page, url)
    page.add_init_script(WATCH)
    page.on("dialog", lambda dialog: (victim.found.append(dialog.message), dialog.dismiss()))
    page.on(
        "console",
        lambda message: (
            victim.found.append(f"{page.url}: {message.text}")
            if "CSP: " in message.text or "Content Security Policy" in message.text
            else None
        ),
    )
    page.on(
        "request",
        lambda request: (
            victim.found.append(f"asked {request.url}") if "evil.example" in request.url else None
        ),
    )
    yield victim
    page.close()


def _addresses(values: dict[str, object]) -> Iterator[str]:
    """Yield every page, and those that read their address with payloads in it."""
    hostile = quote(" ".join(PAYLOADS[:3]))
    for route in [*PAGES, *OTHERS]:
        streams = route.path.endswith("/events")
        if streams or re.search(r"/api/v1/|logout|webhook|openapi|deletion", route.path):
            continue
        yield route.filled(values)
        names = query_names(route) if route in PAGES else ["next", "email", "plan"]
        if names and (DEEP or route in PAGES):
            yield f"{route.filled(values)}?" + "&".join(f"{name}={hostile}" for name in names)


def _planted(name: str) -> tuple[Tenant, User, dict[str, object]]:
    tenant = make_tenant(name=name)
    values = known(tenant)
    return tenant, tenant.memberships.get(role="owner").user, values


@contextmanager
def _browsing(url: str, cookies: dict[str, str]) -> Iterator[Victim]:
    with chromium() as browser:
        context = browser.new_context(locale="en-US")
        context.set_default_timeout(15_000)
        context.add_cookies(
            [{"name": name, "value": value, "url": url} for name, value in cookies.items()]
        )
        with _victim(context, url) as victim:
            yield victim
        context.close()


def _batches() -> Iterator[list[str]]:
    tried = PAYLOADS if DEEP else PAYLOADS[:BATCH]
    for start in range(0, len(tried), BATCH):
        yield tried[start : start + BATCH]


@pytest.fixture(autouse=True)
def _beside_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Django query beside the event loop that Chromium's driver runs in this thread."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


def test_no_text_of_a_customer_runs_in_a_browser() -> None:
    tenant, user, values = _planted("Yard")
    session = signed_in(user).cookies["session"].value
    assert len(PAYLOADS) >= 40
    with web_process() as web, _browsing(web.url, {"session": session}) as victim:
        for payloads in _batches():
            assert _write(tenant, user, payloads) >= 20
            for address in _addresses(values):
                victim.open(address)
        print(f"{victim.opened} pages, {victim.shown} with payloads, {victim.sent} forms sent")
        assert victim.found == []
        assert victim.opened >= 60
        assert victim.shown >= 30
        assert victim.sent >= 10
        # The test can see it, where a page lets a payload run.
        body = f"<title>{PAYLOADS[3]}</title>"
        victim.page.route(
            "**/planted", lambda route: route.fulfill(content_type="text/html", body=body)
        )
        victim.page.goto(f"{web.url}/planted")
        victim.look("planted")
        assert victim.found == ["planted: payload 4 ran"]


def test_no_text_of_a_customer_runs_in_an_operators_browser() -> None:
    tenant, user, _values = _planted("Yard")
    staff, most = make_staff("superuser"), 200 if DEEP else 40
    with running_console() as url:
        console = Console(url)
        console.sign_in(staff)
        cookies = {one.name: one.value or "" for one in console.http.cookies.jar}
        with _browsing(url, cookies) as victim:
            for payloads in _batches():
                assert _write(tenant, user, payloads) >= 20
                waiting, left = ["/"], most
                met = set(waiting)
                while waiting and left:
                    victim.open(waiting.pop(0), send=False)
                    left -= 1
                    new = victim.links() - met
                    met |= new
                    waiting += sorted(new)
            print(f"{victim.opened} pages, {victim.shown} with payloads")
            assert victim.found == []
            assert victim.opened >= 15
            assert victim.shown >= 8
