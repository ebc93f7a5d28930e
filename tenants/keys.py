"""The shape of an API key: `mdy_<8 base62: id>_<27 base62: 160 random bits><6 base62: CRC-32>`.

The checksum lets a scanner (and the door) refuse a mistyped key without a look-up; only
HMAC-SHA-256 of the key under the pepper is stored. `docs/keys.md` publishes the rule for scanners.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass

from django.conf import settings

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
SCAN = re.compile(r"\bmdy_[0-9A-Za-z]{8}_[0-9A-Za-z]{33}\b")
"""What scanners look for; `found_in` adds the checksum, so that it never cries wolf."""
PATTERN = re.compile(r"mdy_([0-9A-Za-z]{8})_([0-9A-Za-z]{27})([0-9A-Za-z]{6})")


@dataclass(frozen=True)
class NewKey:
    """A fresh key: `text` is shown once, the rest is stored."""

    text: str
    public_id: str
    digest: str


def _base62(value: int, width: int) -> str:
    digits = []
    for _ in range(width):
        value, rest = divmod(value, 62)
        digits.append(ALPHABET[rest])
    return "".join(reversed(digits))


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), 6)


def digest(text: str) -> str:
    """Return the keyed hash that is stored, 64 hex digits."""
    return hmac.new(settings.API_KEY_PEPPER.encode(), text.encode(), hashlib.sha256).hexdigest()


def generate() -> NewKey:
    """Return a fresh key."""
    public_id = "".join(secrets.choice(ALPHABET) for _ in range(8))
    body = f"mdy_{public_id}_{_base62(secrets.randbits(160), 27)}"
    text = body + _checksum(body)
    return NewKey(text=text, public_id=public_id, digest=digest(text))


def public_id_of(text: str) -> str | None:
    """Return the id inside a well-formed key, or None when shape or checksum are wrong."""
    match = PATTERN.fullmatch(text)
    if match is None or _checksum(text[:-6]) != match.group(3):
        return None
    return match.group(1)


def found_in(text: str) -> list[str]:
    """Return the keys that stand in a text: shape and checksum are right."""
    return [match for match in SCAN.findall(text) if public_id_of(match) is not None]
