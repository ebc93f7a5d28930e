"""Texts that say nothing, that were decoded wrongly, or that carry markup. Pure."""

from __future__ import annotations

import html
import re
from collections import Counter
from html.parser import HTMLParser

import ftfy
from ftfy.badness import is_bad

from training.datasets.health.finder import Found, Row

KINDS = ("empty", "mojibake", "html")
_SAYS = re.compile("[^\\W_]|[\u2190-\u2bff\U0001f000-\U0001faff]")
_TAGS = (
    "a|abbr|article|aside|b|blockquote|body|br|button|caption|center|cite|code|dd|del|div|dl|dt|em"
    "|figcaption|figure|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|ins|label"
    "|li|link|main|mark|meta|nav|ol|option|p|picture|pre|q|s|script|section|select|small|source"
    "|span|strike|strong|style|sub|sup|svg|table|tbody|td|textarea|tfoot|th|thead|time|title|tr|u"
    "|ul|video"
)
_HTML = re.compile(
    rf"</?(?:{_TAGS})(?:\s[^<>]{{0,2000}})?/?>|<!--|&(?:[a-z]{{2,8}}|#\d{{2,6}}|#x[0-9a-f]{{2,5}});",
    re.IGNORECASE,
)
_SILENT = {"script", "style", "head", "title"}
_BREAKS = re.compile(r"p|div|br|li|tr|h[1-6]|section|article|blockquote|td|th|dd|dt")
_BLANK = re.compile(r"[ \t\u00a0]+")
_LINES = re.compile(r" ?\n[\s]*")


def is_empty(text: str) -> bool:
    """Say whether a text has neither letter, digit nor pictograph."""
    return not _SAYS.search(text)


def has_html(text: str) -> bool:
    """Say whether a text has a tag of HTML or a character reference."""
    return any(
        not found[0].startswith("&") or html.unescape(found[0]) != found[0]
        for found in _HTML.finditer(text)
    )


def is_garbled(text: str) -> bool:
    """Say whether a text was decoded wrongly: it has U+FFFD, or sequences that ftfy knows."""
    return "\ufffd" in text or (is_bad(text) and ftfy.fix_encoding(text) != text)


def repaired(text: str) -> str:
    """Return the text as it was before it was decoded wrongly, as far as that can be known."""
    return ftfy.fix_encoding(text)


class _Words(HTMLParser):
    """Collects what a reader of the page would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.silent += tag in _SILENT
        if _BREAKS.fullmatch(tag):
            self.parts.append("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if _BREAKS.fullmatch(tag):
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self.silent = max(0, self.silent - (tag in _SILENT))
        if _BREAKS.fullmatch(tag):
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.parts.append(data)


def stripped(text: str) -> str:
    """Return the words of a text with HTML; a text without any stays as it is."""
    if not has_html(text):
        return text
    reader = _Words()
    reader.feed(text)
    reader.close()
    return _LINES.sub("\n", _BLANK.sub(" ", "".join(reader.parts))).strip()


def kinds_of(text: str) -> list[str]:
    """Return what is wrong with a text, of `KINDS`."""
    if is_empty(text):
        return ["empty"]
    found = []
    if is_garbled(text):
        found.append("mojibake")
    if has_html(text):
        found.append("html")
    return found


class Noise:
    """The check for texts that are not texts."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.rows = 0
        self.kinds: Counter[str] = Counter()

    def see(self, row: Row) -> Found | None:
        """Return what is wrong with this row's text."""
        found = kinds_of(row.text)
        if not found:
            return None
        self.rows += 1
        self.kinds.update(found)
        return {"kinds": found}

    def result(self) -> Found:
        """Return the rows with a fault, and the rows of each."""
        return {"rows": self.rows, "kinds": {kind: self.kinds[kind] for kind in KINDS}}
