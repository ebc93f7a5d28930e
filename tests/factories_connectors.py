"""A web site of the tests' own, with robots.txt, articles, a feed and a sitemap, and its log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.db import connections

from tenants.models import Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import owner_of
from training.datasets import connector_selectors, services
from training.datasets.models import Connector, Dataset, Item, Pull

LICENCE = "https://creativecommons.org/licenses/by-sa/4.0/"
BODY = (
    "The harbour opened again on Monday after three days of storm, and {name} ships left it "
    "before noon. The port's office says that all of them had waited for the wind to turn."
)


def article(name: str, licence: str = LICENCE) -> bytes:
    """Return an article's page with a menu around it."""
    link = f'<a rel="license" href="{licence}">licence</a>' if licence else ""
    text = BODY.format(name=name)
    return (
        f"<html><head><title>Ships of {name}</title></head><body><nav><a href='/'>Home</a></nav>"
        f"<article><h1>Ships of {name}</h1><p>{text}</p><p>The next storm is expected on the "
        f"weekend, say those who know {name}.</p></article><footer>{link}</footer></body></html>"
    ).encode()


@dataclass(frozen=True)
class Asked:
    """A request that came: when (monotonic seconds) it came and was answered."""

    path: str
    headers: Mapping[str, str]
    at: float
    until: float


@dataclass
class Page:
    """What the site answers at a path."""

    body: bytes
    kind: str = "text/html; charset=utf-8"
    etag: str = ""
    status: int = 200
    location: str = ""


@dataclass
class WebSite:
    """The site: its pages may be changed while it runs."""

    port: int
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    watch: Callable[[str], None] = lambda _path: None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://localhost:{self.port}"

    @property
    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [one.path for one in self.asked]

    def page(self, path: str, body: bytes, **more: Any) -> None:
        """Put a page there."""
        self.pages[path] = Page(body, **more)

    def sitemap(self, *paths: str) -> None:
        """Put a sitemap of these paths (or whole addresses) at /sitemap.xml."""
        places = [one if one.startswith("http") else self.url + one for one in paths]
        listed = "".join(f"<url><loc>{place}</loc></url>" for place in places)
        text = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{listed}</urlset>'
        self.page("/sitemap.xml", text.encode(), kind="application/xml")

    def feed(self, *paths: str) -> None:
        """Put an RSS feed of these paths at /feed."""
        listed = "".join(
            f"<item><title>{one}</title><link>{self.url}{one}</link></item>" for one in paths
        )
        text = f'<rss version="2.0"><channel><title>News</title>{listed}</channel></rss>'
        self.page("/feed", text.encode(), kind="application/rss+xml")


@contextmanager
def web_site(settings: Any) -> Iterator[WebSite]:
    """Run a site on the loopback that customers may reach in this test."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            at = time.monotonic()
            try:
                site.watch(self.path)
            finally:
                connections.close_all()
            page = site.pages.get(self.path, Page(b"not here", "text/plain", status=404))
            known = page.etag and self.headers.get("if-none-match") == page.etag
            self.send_response(304 if known else page.status)
            self.send_header("content-type", page.kind)
            if page.etag:
                self.send_header("etag", page.etag)
            if page.location:
                self.send_header("location", page.location)
            body = b"" if known else page.body
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            headers = {name.lower(): value for name, value in self.headers.items()}
            site.asked.append(Asked(self.path, headers, at, time.monotonic()))

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = WebSite(server.server_address[1])
    settings.OUTBOUND_ALLOWED = settings.OUTBOUND_ALLOWED | {f"localhost:{site.port}"}
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def make_connector(
    tenant: Tenant, dataset: Dataset, kind: str, config: Mapping[str, Any], **more: Any
) -> Connector:
    """Make a connector; nothing is pulled yet."""
    with tenant_scope(tenant.pk):
        return services.connector_create(
            actor=owner_of(tenant), dataset_id=dataset.pk, kind=kind, config=config,
            name=more.pop("name", f"a {kind}"), **more,
        )  # fmt: skip


def pull(tenant: Tenant, connector: Connector) -> Pull:
    """Order a pull; tasks run at once, so it has ended, and its uploads went on, after."""
    with tenant_scope(tenant.pk):
        ordered = services.pull_start(actor=owner_of(tenant), connector=connector)
    with tenant_scope(tenant.pk):
        return connector_selectors.pull_get(ordered.pk)


def items(tenant: Tenant, connector: Connector) -> dict[str, Item]:
    """Return what a connector knows, by address."""
    with tenant_scope(tenant.pk):
        return {one.address: one for one in Item.objects.filter(connector=connector)}
