"""The article of a web page: its text without menus and advertising, title, date, licence."""

from __future__ import annotations

import re
from typing import Any

import trafilatura
from lxml.html import HtmlElement

from training.datasets.collect.licences import licence_of

MIN_CHARACTERS = 40
"""Less is a menu or a notice about cookies, not an article."""
MAX_TITLE = 500
_CHARSET = re.compile(r"charset=[\"']?([\w-]+)", re.I)


def article(body: bytes, url: str, content_type: str) -> dict[str, Any]:
    """Return `text`, `title`, `published` (a day, or '') and `licence` of an HTML page.

    Args:
        body: The page as it came.
        url: Its address.
        content_type: Of the answer; names the encoding, maybe.

    Returns:
        These four; with an empty text when the page has no article.
    """
    tree: HtmlElement | None = trafilatura.load_html(_decoded(body, content_type))
    if tree is None:
        return {"text": "", "title": "", "published": "", "licence": ""}
    # Before the extraction, which takes the tree apart.
    licence = licence_of(tree)
    found = trafilatura.bare_extraction(
        tree, url=url, with_metadata=True, include_comments=False, include_tables=False
    )
    facts: dict[str, Any] = {} if found is None else _facts(found)
    text = str(facts.get("text") or "").strip()
    return {
        "text": text if len(text) >= MIN_CHARACTERS else "",
        "title": str(facts.get("title") or "")[:MAX_TITLE],
        "published": str(facts.get("date") or ""),
        "licence": licence,
    }


def _facts(found: Any) -> dict[str, Any]:
    return dict(found.as_dict())


def _decoded(body: bytes, content_type: str) -> str | bytes:
    """Decode by the header's encoding; bytes, for the page's own marks to decide, without one."""
    named = _CHARSET.search(content_type)
    try:
        return body.decode(named[1]) if named else body
    except (LookupError, UnicodeError):
        return body
