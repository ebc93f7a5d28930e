"""Pulls of feeds and sitemaps: each page's article becomes a row with its origin."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from django.utils.text import slugify

from modelyard.core import clock, outbound
from modelyard.core.errors import QuotaExceeded
from tenants.scoping.context import tenant_scope
from training.datasets.collect import sitemaps
from training.datasets.collect.xml import Unreadable
from training.datasets.services.gathering import (
    Gathering,
    PullFailed,
    TimeOver,
    conditional,
    validators,
)
from training.datasets.services.reader import Reader
from training.datasets.services.storing import (
    file_store,
    stored_forget,
    stored_record,
    upload_id_of,
)
from training.datasets.services.visiting import Skipped, Visit, Visitor

PAGE_BYTES = 5 * 1024**2
FEED_BYTES = 10 * 1024**2
MAX_ADDRESS = 2_000
MAX_MAPS = 50
_HTML = ("text/html", "application/xhtml+xml")
ROWS = "rows"
"""The address under which the rows of all pages of a pull are stored."""


class Crawl:
    """One pull of a feed or sitemap."""

    def __init__(self, work: Gathering, reader: Reader) -> None:
        """Ask the sitemap's own host only; a feed's pages may lie anywhere."""
        self._work = work
        self._reader = reader
        self._kind = work.connector.kind
        self._url = str(work.connector.config["url"])
        host = outbound.target_of(self._url).authority if self._kind == "sitemap" else ""
        self._visitor = Visitor(work.keep, host)
        self._licence = ""
        self._rows = 0

    def run(self, path: Path) -> int:
        """Write a JSON line for each new or changed article to `path`; return how many."""
        with path.open("w", encoding="utf-8") as file:
            try:
                self._run(file)
            except TimeOver:
                self._work.left_out("time_over", self._work.found - self._work.done)
        return self._rows

    def _run(self, file: IO[str]) -> None:
        pages = self._pages()
        most = int(self._work.connector.config["max_pages"])
        self._work.left_out("over_page_limit", len(pages) - most)
        pages = pages[:most]
        self._work.total(len(pages))
        for page in pages:
            try:
                self._page(page, file)
            except Skipped as why:
                self._work.skip(page["url"][:MAX_ADDRESS], why)

    def _pages(self) -> Sequence[dict[str, str]]:
        """Return the pages that the feed or sitemap lists, each once, in its order."""
        found = self._listed(self._url)
        self._licence = str(found.get("licence", ""))
        pages, maps = list(found["pages"]), list(found["maps"])
        for url in maps[:MAX_MAPS]:
            try:
                part = self._listed(url)
            except PullFailed as failure:
                self._work.left_out(failure.code, 1)
                continue
            pages += part["pages"]
            self._work.left_out("sitemap_too_deep", len(part["maps"]))
        self._work.left_out("over_page_limit", len(maps) - MAX_MAPS)
        return list({page["url"]: page for page in pages}.values())

    def _listed(self, url: str) -> dict[str, Any]:
        most = FEED_BYTES if self._kind == "feed" else sitemaps.MAX_BYTES
        try:
            visit = self._visitor.get(url, {}, most)
            _require_ok(visit)
            return self._reader.ask(self._kind, visit.body, visit.url)
        except Skipped as why:
            raise PullFailed(why.code, **why.detail) from why
        except Unreadable as error:
            raise PullFailed(error.code) from error

    def _page(self, page: Mapping[str, str], file: IO[str]) -> None:
        url = page["url"]
        if len(url) > MAX_ADDRESS:
            raise Skipped("url_invalid")
        known = self._work.known(url)
        visit = self._visitor.get(url, conditional(known), PAGE_BYTES)
        if visit.status == 304 and known is not None:
            self._work.note(url, "unchanged")
            return
        _require_ok(visit)
        article = self._article(visit)
        said = [article["text"], article["licence"] or self._licence]
        digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()
        if known is not None and known.digest == digest:
            self._work.note(url, "unchanged", **validators(visit.headers))
            return
        file.write(json.dumps(self._row(page, visit, article), ensure_ascii=False) + "\n")
        self._rows += 1
        upload_id = upload_id_of(self._work.pull, ROWS)
        facts = validators(visit.headers)
        self._work.note(url, "fetched", digest=digest, upload_id=upload_id, **facts)

    def _article(self, visit: Visit) -> dict[str, str]:
        kind = visit.headers.get("content-type", "text/html")
        if kind.partition(";")[0].strip().lower() not in _HTML:
            raise Skipped("not_html", type=kind[:60])
        try:
            article = self._reader.ask("page", visit.body, visit.url, kind)
        except Unreadable as error:
            raise Skipped(error.code) from error
        if not article["text"]:
            raise Skipped("no_article")
        return article

    def _row(
        self, page: Mapping[str, str], visit: Visit, article: Mapping[str, str]
    ) -> dict[str, object]:
        """Return the record of an article; `origin` is kept on the example, not as a field."""
        return {
            "text": article["text"].replace("\x00", ""),
            "title": (article["title"] or page["title"]).replace("\x00", ""),
            "published": article["published"] or page["published"],
            "origin": {
                "url": visit.url,
                "licence": article["licence"] or self._licence,
                "at": clock.now().isoformat(timespec="seconds"),
            },
        }


def _require_ok(visit: Visit) -> None:
    if visit.status != 200:
        raise Skipped("http_status", status=visit.status)


def crawl_run(work: Gathering) -> None:
    """Pull a feed or sitemap: its articles become one upload of JSON lines."""
    pull, connector = work.pull, work.connector
    with tempfile.TemporaryDirectory(prefix="modelyard-pull-") as folder, Reader() as reader:
        path = Path(folder) / "rows.jsonl"
        rows = Crawl(work, reader).run(path)
        if not rows:
            with tenant_scope(work.tenant_id):
                work.claimed.end("done", counts=work.counts())
            return
        day = clock.now().strftime("%Y-%m-%d %H.%M")
        name = f"{slugify(connector.name, allow_unicode=True) or connector.kind} {day}.jsonl"
        try:
            stored = file_store(pull, ROWS, name, path)
            with tenant_scope(work.tenant_id):
                work.claimed.keep()
                stored_record(pull, stored)
                work.claimed.end("done", counts=work.counts())
        except BaseException as error:
            stored_forget(pull, ROWS)
            if isinstance(error, QuotaExceeded):
                raise PullFailed(error.code, sentence=error.message) from error
            raise
