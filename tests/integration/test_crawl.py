"""Feeds and sitemaps: a site's wishes are kept, and each row says where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from tenants.models import Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import make_tenant, owner_of
from tests.factories_connectors import (
    BODY,
    WebSite,
    article,
    items,
    make_connector,
    pull,
    web_site,
)
from tests.factories_datasets import import_file, make_dataset
from training.datasets import connector_selectors, services
from training.datasets.models import Connector, Dataset, Example, Pull
from training.datasets.services import gathering

pytestmark = pytest.mark.django_db(transaction=True)
DELAY = 0.3


@pytest.fixture
def site(settings: Any) -> Iterator[WebSite]:
    settings.CRAWL_DELAY_SECONDS = 0.01
    settings.CRAWL_CONTACT = "https://yard.example/bot"
    with web_site(settings) as running:
        yield running


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def dataset(tenant: Tenant) -> Dataset:
    return make_dataset(tenant)


def sitemap_of(tenant: Tenant, dataset: Dataset, site: WebSite, **more: Any) -> Connector:
    config = {"url": f"{site.url}/sitemap.xml", **more}
    return make_connector(tenant, dataset, "sitemap", config)


def rows_of(tenant: Tenant, dataset: Dataset) -> list[Example]:
    with tenant_scope(tenant.pk):
        return list(Example.live.filter(dataset=dataset).order_by("id"))


def reasons(tenant: Tenant, connector: Connector) -> dict[str, str]:
    return {
        address.partition("localhost")[2].partition("/")[2]: item.reason or item.outcome
        for address, item in items(tenant, connector).items()
    }


def test_a_disallowed_page_is_never_asked_for_the_delay_is_kept_and_the_origin_recorded(
    tenant: Tenant, dataset: Dataset, site: WebSite
) -> None:
    site.page("/robots.txt", f"User-agent: *\nDisallow: /private/\nCrawl-delay: {DELAY}".encode())
    site.sitemap("/a", "/private/b", "/c", "/leads", "/missing", "/menu")
    site.page("/a", article("Alba"))
    site.page("/private/b", article("Bea"))
    site.page("/c", article("Cora", licence=""))
    site.page("/leads", b"", status=302, location="/private/b")
    site.page("/menu", b"<html><body><nav>Home</nav></body></html>")
    connector = sitemap_of(tenant, dataset, site)
    ended = pull(tenant, connector)
    assert (ended.status, ended.error_code) == ("done", "")
    assert "/private/b" not in site.paths
    assert site.paths[:2] == ["/robots.txt", "/sitemap.xml"]
    assert sorted(site.paths[2:]) == ["/a", "/c", "/leads", "/menu", "/missing"]
    gaps = [after.at - before.until for before, after in pairwise(site.asked)]
    assert min(gaps) >= DELAY * 0.9, gaps
    assert {one.headers["user-agent"] for one in site.asked} == {
        "Modelyard/1.0 (+https://yard.example/bot)"
    }
    first, second = rows_of(tenant, dataset)
    assert BODY.format(name="Alba") in first.text
    assert "Home" not in first.text
    assert first.origin is not None
    assert first.origin["url"] == f"{site.url}/a"
    assert first.origin["licence"] == "CC-BY-SA-4.0"
    assert first.origin["at"].startswith("20")
    assert first.data["fields"]["title"] == "Ships of Alba"
    assert "origin" not in first.data["fields"]
    assert second.origin is not None
    assert second.origin["licence"] == ""
    assert reasons(tenant, connector) == {
        "a": "fetched",
        "private/b": "robots_disallowed",
        "c": "fetched",
        "leads": "robots_disallowed",
        "missing": "http_status",
        "menu": "no_article",
    }
    assert ended.counts == {
        "found": 6,
        "fetched": 2,
        "unchanged": 0,
        "skipped": {"robots_disallowed": 2, "http_status": 1, "no_article": 1},
    }


def test_unchanged_pages_add_nothing_and_changed_ones_come_again(
    tenant: Tenant, dataset: Dataset, site: WebSite
) -> None:
    site.feed("/a", "/b", "/a")
    site.page("/a", article("Alba"), etag='"1"')
    site.page("/b", article("Bea"))
    connector = make_connector(tenant, dataset, "feed", {"url": f"{site.url}/feed"})
    assert pull(tenant, connector).counts["fetched"] == 2
    second = pull(tenant, connector)
    assert (second.status, second.counts["unchanged"], second.counts["fetched"]) == ("done", 2, 0)
    conditional = [one.headers.get("if-none-match") for one in site.asked if one.path == "/a"]
    assert conditional == [None, '"1"']
    with tenant_scope(tenant.pk):
        assert not connector_selectors.pull_uploads(second.pk).exists()
    site.page("/b", article("Berta"))
    third = pull(tenant, connector)
    assert (third.counts["fetched"], third.counts["unchanged"]) == (1, 1)
    assert [row.line for row in rows_of(tenant, dataset)] == [1, 2, 1]
    assert len(rows_of(tenant, dataset)) == 3


def test_a_sitemap_leads_nowhere_else_and_a_pull_asks_for_no_more_pages_than_it_may(
    tenant: Tenant, dataset: Dataset, site: WebSite, settings: Any
) -> None:
    with web_site(settings) as other:
        other.page("/x", article("Xenia"))
        site.page("/leads", b"", status=301, location=f"{other.url}/x")
        site.page("/a", article("Alba"))
        site.page("/b", article("Bea"))
        site.sitemap(f"{other.url}/x", "/leads", "http://127.0.0.1:1/y", "/a", "/b")
        connector = sitemap_of(tenant, dataset, site, max_pages=4)
        ended = pull(tenant, connector)
        assert other.asked == []
    assert "/b" not in site.paths
    assert ended.counts["skipped"] == {
        "other_host": 2, "port_refused": 1, "over_page_limit": 1,
    }  # fmt: skip
    assert len(rows_of(tenant, dataset)) == 1


def test_a_site_whose_rules_can_not_be_had_is_asked_for_nothing_and_one_without_for_all(
    tenant: Tenant, dataset: Dataset, site: WebSite
) -> None:
    site.sitemap("/a")
    site.page("/a", article("Alba"))
    site.page("/robots.txt", b"broken", status=503)
    ended = pull(tenant, sitemap_of(tenant, dataset, site))
    assert (ended.status, ended.error_code) == ("failed", "robots_unreachable")
    assert site.paths == ["/robots.txt"]
    del site.pages["/robots.txt"]
    assert pull(tenant, sitemap_of(tenant, dataset, site)).counts["fetched"] == 1


def test_what_is_no_feed_or_sitemap_fails_the_pull_with_a_sentence(
    tenant: Tenant, dataset: Dataset, site: WebSite
) -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><urlset><url>&b;</url></urlset>'
    site.page("/page", article("Alba"))
    site.page("/bomb", bomb, kind="application/xml")
    for kind, path, code in [
        ("feed", "/page", "not_a_feed"),
        ("sitemap", "/page", "not_a_sitemap"),
        ("sitemap", "/bomb", "xml_entities"),
        ("feed", "/bomb", "xml_entities"),
        ("feed", "/none", "http_status"),
    ]:
        connector = make_connector(tenant, dataset, kind, {"url": site.url + path})
        ended = pull(tenant, connector)
        assert (ended.status, ended.error_code) == ("failed", code), path


def test_a_pull_that_is_cancelled_in_the_middle_asks_for_no_further_page(
    tenant: Tenant, dataset: Dataset, site: WebSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "KEEP_SECONDS", 0.0)
    site.sitemap("/a", "/b", "/c")
    for path in ("/a", "/b", "/c"):
        site.page(path, article(path))
    connector = sitemap_of(tenant, dataset, site)

    def cancel(path: str) -> None:
        if path == "/b":
            with tenant_scope(tenant.pk):
                (running,) = Pull.objects.filter(connector=connector)
                services.pull_cancel(actor=owner_of(tenant), pull_id=running.pk)

    site.watch = cancel
    ended = pull(tenant, connector)
    assert ended.status == "cancelled"
    assert site.paths[-1] == "/b"
    assert rows_of(tenant, dataset) == []


def test_a_file_of_a_customers_own_can_not_pretend_an_origin(
    tenant: Tenant, dataset: Dataset
) -> None:
    line = b'{"text": "It broke", "origin": {"url": "https://example.com", "licence": "CC0"}}\n'
    import_file(tenant, dataset, line * 2, "a.jsonl", label=None)
    (row,) = rows_of(tenant, dataset)
    assert row.origin is None
    assert row.data["fields"]["origin"]["licence"] == "CC0"


def test_an_article_that_kills_its_reader_is_skipped_and_the_next_one_is_read(
    tenant: Tenant, dataset: Dataset, site: WebSite
) -> None:
    deep = b"<html><body>" + b"<div>" * 400_000 + b"deep" + b"</div>" * 400_000
    site.sitemap("/deep", "/a")
    site.page("/deep", deep)
    site.page("/a", article("Alba"))
    connector = sitemap_of(tenant, dataset, site)
    ended = pull(tenant, connector)
    assert ended.status == "done"
    assert reasons(tenant, connector)["deep"] in {"parser_died", "no_article"}
    assert len(rows_of(tenant, dataset)) == 1
