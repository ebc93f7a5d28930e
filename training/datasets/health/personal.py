"""Personal data in texts: where it is and of what kind; the value itself goes nowhere. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from training.datasets.health.finder import Found, Row

_NO_DIGIT = r"(?<![0-9A-Za-z_])"
_END = r"(?![0-9A-Za-z_])"
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9_%+-][A-Za-z0-9._%+-]{0,63}"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])"
)
_V4 = re.compile(r"(?<![0-9A-Za-z_.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?!\.?[0-9A-Za-z_])")
_V6 = re.compile(r"(?<![0-9A-Za-z_:.])[0-9A-Fa-f:]{3,39}(?:(?:\.[0-9]{1,3}){3})?(?![0-9A-Za-z_:])")
_VERSION = re.compile(r"(?:\bv|version|release|build|firmware|版本号?)\s*[:：]?\s*$", re.IGNORECASE)
_IDENTITY = re.compile(rf"{_NO_DIGIT}[1-9][0-9]{{16}}[0-9Xx]{_END}")
_CARD = re.compile(rf"{_NO_DIGIT}[2-6][0-9](?:[ -]?[0-9]){{11,17}}{_END}")
_ISSUERS = re.compile(
    r"4|5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)|3[47]|3(?:0[0-5]|[68])|35|6(?:011|4[4-9]|5|2)"
)
_PHONE = re.compile(
    rf"{_NO_DIGIT}(?<![+.,/-])(?:"
    r"(?:(?:\+|00)86[ -]?|\(\+?86\) ?)?1[3-9][0-9](?:[ -]?[0-9]{4}){2}"
    r"|(?:(?:\+|00)86[ -]?)?\(?0?(?:10|2[0-9]|[3-9][0-9]{2})\)?[ -][2-8][0-9]{6,7}(?:-[0-9]{1,5})?"
    r"|(?:\(0[0-9]{2,3}\)|0[0-9]{2,3})[2-8][0-9]{6,7}"
    r"|[48]00[ -][0-9]{3}[ -]?[0-9]{4}"
    r"|(?:\+?1[ .-]?)?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[ .-][0-9]{4}"
    r"|0[0-9]{2,4}[ -][0-9]{3,4}[ -][0-9]{3,4}"
    r"|\+[1-9][0-9]{0,2}(?:[ .-]?(?:\([0-9]{1,4}\)|[0-9]{1,5})){2,6}"
    rf"){_END}(?![.,/-][0-9])"
)


class Place(NamedTuple):
    """Where personal data stands in a text: kind, first character, the one after the last."""

    kind: str
    start: int
    end: int


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def luhn(number: str) -> bool:
    """Say whether the last digit fits the others (ISO/IEC 7812-1, annex B)."""
    total = 0
    for at, digit in enumerate(reversed(number)):
        value = int(digit) * (1 + at % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def identity(number: str) -> bool:
    """Say whether a Chinese citizen's number has a date and the right last sign (GB 11643)."""
    year, month, day = int(number[6:10]), int(number[10:12]), int(number[12:14])
    if not (1900 <= year <= 2100 and 1 <= month <= 12 and 1 <= day <= 31):
        return False
    total = sum(int(digit) * pow(2, 17 - at, 11) for at, digit in enumerate(number[:17]))
    return "10X98765432"[total % 11] == number[17].upper()


def _is_card(found: re.Match[str]) -> bool:
    number = _digits(found[0])
    return (
        bool(_ISSUERS.match(number))
        and 13 <= len(number) <= 19
        and len(set(number)) > 1
        and luhn(number)
    )


def _is_v4(found: re.Match[str]) -> bool:
    before = found.string[max(0, found.start() - 16) : found.start()]
    return all(int(part) < 256 for part in found[0].split(".")) and not _VERSION.search(before)


def _is_v6(found: re.Match[str]) -> bool:
    try:
        ipaddress.IPv6Address(found[0])
    except ValueError:
        return False
    return len(found[0]) > 5 and any(map(str.isdigit, found[0]))  # a::b is a name in a program


def _is_phone(found: re.Match[str]) -> bool:
    return 8 <= len(_digits(found[0])) <= 15


_KINDS: tuple[tuple[str, re.Pattern[str], Callable[[re.Match[str]], bool]], ...] = (
    ("email", _EMAIL, bool),
    ("ip", _V4, _is_v4),
    ("ip", _V6, _is_v6),
    ("identity", _IDENTITY, lambda found: identity(found[0])),
    ("card", _CARD, _is_card),
    ("phone", _PHONE, _is_phone),
)
"""In this order: a place that one kind has taken is not another's."""
_MASKS = {
    "email": "[EMAIL]",
    "ip": "[IP]",
    "identity": "[ID]",
    "card": "[CARD]",
    "phone": "[PHONE]",
}
KINDS = tuple(_MASKS)


def places(text: str) -> list[Place]:
    """Return where a text has personal data, in order, without overlap."""
    taken: list[Place] = []
    for kind, pattern, holds in _KINDS:
        for found in pattern.finditer(text):
            start, end = found.span()
            free = all(end <= one.start or start >= one.end for one in taken)
            if free and holds(found):
                taken.append(Place(kind, start, end))
    return sorted(taken, key=lambda one: one.start)


def masked(text: str) -> str:
    """Return the text with each place replaced by the name of its kind in brackets."""
    parts, last = [], 0
    for place in places(text):
        parts += [text[last : place.start], _MASKS[place.kind]]
        last = place.end
    return "".join([*parts, text[last:]])


class Personal:
    """The check for personal data."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.rows = 0
        self.kinds: Counter[str] = Counter()

    def see(self, row: Row) -> Found | None:
        """Return the kinds and offsets in this row, never the values."""
        found = places(row.text)
        if not found:
            return None
        self.rows += 1
        self.kinds.update({place.kind for place in found})
        return {"places": [list(place) for place in found[:100]]}

    def result(self) -> Found:
        """Return the rows that have some, and the rows of each kind."""
        return {"rows": self.rows, "kinds": {kind: self.kinds[kind] for kind in KINDS}}
