"""Which licence a page names for itself: rel=license, metadata, or a Creative Commons link."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from lxml.html import HtmlElement

MAX_CHARACTERS = 200
_CC = re.compile(
    r"https?://(?:www\.)?creativecommons\.org/(licenses|publicdomain)/([a-z-]+)/(\d\.\d)", re.I
)
_NAMES = ("dcterms.license", "dc.rights", "dcterms.rights", "license", "rights", "copyright")


def licence_name(text: str) -> str:
    """Return a licence's short name (SPDX for Creative Commons), or the text itself."""
    found = _CC.search(text)
    if found is None:
        return " ".join(text.split())[:MAX_CHARACTERS]
    family, kind, version = found[1].lower(), found[2].lower(), found[3]
    if family == "publicdomain":
        return f"CC0-{version}" if kind == "zero" else f"CC-PDDC ({kind} {version})"
    return f"CC-{kind.upper()}-{version}"


def licence_of(tree: HtmlElement) -> str:
    """Return the licence that a page names, '' when it names none.

    What is said of the page itself (rel=license, metadata) comes before a mere link.
    """
    return next((name for text in _said(tree) if (name := licence_name(text))), "")


def _said(tree: HtmlElement) -> Iterator[str]:
    for element in tree.iter("link", "a"):
        if "license" in str(element.get("rel") or "").lower().split() and element.get("href"):
            yield str(element.get("href"))
    yield from _in_json(tree)
    named = {
        str(one.get("name") or one.get("property") or "").lower(): str(one.get("content") or "")
        for one in tree.iter("meta")
    }
    yield from (named[name] for name in _NAMES if named.get(name))
    for element in tree.iter("a"):
        if _CC.match(str(element.get("href") or "")):
            yield str(element.get("href"))


def _in_json(tree: HtmlElement) -> Iterator[str]:
    """Yield `license` of the page's JSON-LD (schema.org CreativeWork)."""
    for element in tree.iter("script"):
        if str(element.get("type") or "").lower() != "application/ld+json":
            continue
        try:
            value: Any = json.loads(element.text or "")
        except (ValueError, RecursionError):
            continue  # a broken block says nothing; the page's other marks still count
        for one in value if isinstance(value, list) else [value]:
            licence = one.get("license") if isinstance(one, dict) else None
            if isinstance(licence, str):
                yield licence
