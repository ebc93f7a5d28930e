"""RSS and Atom feeds: the entries they link to."""

from __future__ import annotations

import io
import time
from typing import Any
from urllib.parse import urljoin

import feedparser

from training.datasets.collect.licences import licence_name
from training.datasets.collect.xml import Unreadable, refuse_entities


def entries(body: bytes, url: str) -> dict[str, Any]:
    """Return `pages`: a list of `{"url", "title", "published"}`, and `licence` of the whole feed.

    Raises:
        Unreadable: `not_a_feed`, `xml_entities`.
    """
    refuse_entities(body)
    # A stream of bytes, never a text: feedparser takes a text for an address and opens it.
    found = feedparser.parse(io.BytesIO(body))
    if not found.version and not found.entries:
        raise Unreadable("not_a_feed")
    pages = [
        {
            "url": urljoin(url, str(entry.link)),
            "title": str(entry.get("title") or ""),
            "published": _day(entry.get("published_parsed") or entry.get("updated_parsed")),
        }
        for entry in found.entries
        if entry.get("link")
    ]
    said = found.feed.get("license") or found.feed.get("rights") or ""
    return {"pages": pages, "maps": [], "licence": licence_name(str(said))}


def _day(moment: time.struct_time | None) -> str:
    return time.strftime("%Y-%m-%d", moment) if moment else ""
