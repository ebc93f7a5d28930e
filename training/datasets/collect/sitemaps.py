"""Sitemaps (sitemaps.org protocol 0.9): the addresses that a site lists of itself."""

from __future__ import annotations

import zlib
from typing import Any

from training.datasets.collect.xml import Unreadable, local, root_of, text_of

MAX_BYTES = 50 * 1024**2
"""The protocol's own limit, unpacked."""


def entries(body: bytes, url: str) -> dict[str, Any]:
    """Return `pages` (`{"url", "title", "published"}`) and `maps` (further sitemaps).

    XML, gzip of it, or a text file with one address a line.

    Raises:
        Unreadable: `not_a_sitemap`, `sitemap_too_large`, `xml_entities`.
    """
    del url
    body = _unpacked(body)
    if not body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return _lines(body)
    root = root_of(body, "not_a_sitemap")
    kind = local(root)
    if kind == "sitemapindex":
        return {"pages": [], "maps": [loc for one in root if (loc := text_of(one, "loc"))]}
    if kind != "urlset":
        raise Unreadable("not_a_sitemap")
    pages = [
        {"url": loc, "title": "", "published": text_of(one, "lastmod")[:10]}
        for one in root
        if (loc := text_of(one, "loc"))
    ]
    return {"pages": pages, "maps": []}


def _lines(body: bytes) -> dict[str, Any]:
    lines = [line.strip() for line in body.decode("utf-8", errors="replace").splitlines()]
    found = [line for line in lines if line.startswith(("http://", "https://"))]
    if not found or len(found) < len([line for line in lines if line]):
        raise Unreadable("not_a_sitemap")
    return {"pages": [{"url": one, "title": "", "published": ""} for one in found], "maps": []}


def _unpacked(body: bytes) -> bytes:
    if not body.startswith(b"\x1f\x8b"):
        return body
    unpacker = zlib.decompressobj(wbits=31)
    try:
        whole = unpacker.decompress(body, MAX_BYTES + 1)
    except zlib.error as error:
        raise Unreadable("not_a_sitemap") from error
    if len(whole) > MAX_BYTES:
        raise Unreadable("sitemap_too_large")
    return whole
