"""The arithmetic of the trail, on the standard library alone, so that anybody can repeat it.

The hash of a seal is SHA-256 over two texts in UTF-8, one after the other: the hash of the seal
before it (64 hexadecimal digits; 64 zeros before the first) and the canonical JSON of

    {"event": {...}, "seq": 1, "sealed_at": "2026-11-25T12:00:00.000000Z", "v": 1}

Canonical JSON is that of RFC 8785 (names sorted by UTF-16 units, no spaces, numbers as ECMAScript
writes them), with one difference: integers keep all their digits.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

NOTHING = "0" * 64
"""What stands for the hash before the first seal."""

FORMAT = "modelyard-audit-1"
VERSION = 1
_SEALED = '"sealed":'


def _number(value: float) -> str:
    """Write a double as ECMAScript does (RFC 8785, section 3.2.2.3)."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is not JSON")
    if value == 0:
        return "0"
    parts = Decimal(repr(abs(value))).normalize().as_tuple()
    digits = "".join(map(str, parts.digits))
    point = len(digits) + int(parts.exponent)
    if len(digits) <= point <= 21:
        text = digits + "0" * (point - len(digits))
    elif 0 < point <= 21:
        text = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        text = f"0.{'0' * -point}{digits}"
    else:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        text = f"{digits[0]}{fraction}e{point - 1:+d}"
    return f"-{text}" if value < 0 else text


def canonical(value: object) -> str:
    """Write JSON in its one form.

    Raises:
        TypeError: The value is not JSON.
    """
    if value is None or isinstance(value, str | bool):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: str(name).encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{canonical(name)}:{canonical(value[name])}" for name in names) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(canonical, value)) + "]"
    raise TypeError(f"{type(value).__name__} is not JSON")


def chain(previous: str, text: str) -> str:
    """Return the hash of a seal.

    Args:
        previous: Hash of the seal before it, or `NOTHING`.
        text: The canonical JSON that it seals.
    """
    return hashlib.sha256(f"{previous}{text}".encode()).hexdigest()


@dataclass
class Checked:
    """What an exported file holds: counts, its last seal, and the first flaw as a sentence.

    Attributes:
        loose_to: Up to this number rows may be absent (retired); None is "anywhere" (filtered).
    """

    sealed: int = 0
    unsealed: int = 0
    gaps: int = 0
    seq: int = 0
    hash: str = NOTHING
    flaw: str = ""
    loose_to: int | None = 0

    def take(self, row: dict[str, object], text: str) -> None:
        """Check one line, given as read and as the text that was sealed."""
        inner = row["sealed"]
        seq = inner.get("seq") if isinstance(inner, dict) else None
        if row.get("hash") is None:
            self.unsealed += 1
        elif not isinstance(seq, int) or seq <= self.seq:
            self.flaw = f"row #{seq} stands after row #{self.seq}: rows are reordered"
        elif chain(str(row.get("previous")), text) != row["hash"]:
            self.flaw = f"row #{seq} was changed"
        elif seq > self.seq + 1 and self.loose_to is not None and seq > self.loose_to + 1:
            self.flaw = f"row #{seq} stands after row #{self.seq}: rows are missing or reordered"
        elif seq == self.seq + 1 and row["previous"] != self.hash:
            self.flaw = f"row #{seq} does not follow row #{self.seq}: one of them was replaced"
        else:
            self.gaps += seq - self.seq - 1
            self.sealed, self.seq, self.hash = self.sealed + 1, seq, str(row["hash"])


def check(lines: Iterable[str]) -> Checked:
    """Check an export, line by line, up to the first flaw.

    Raises:
        ValueError: It is no export of an audit log; the message says why.
    """
    found, head = Checked(), None
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"line {number} is not JSON: {error}") from error
        if number == 1:
            if not isinstance(row, dict) or row.get("format") != FORMAT:
                raise ValueError(f"the first line does not say that this is {FORMAT}")
            head, retired = row, row.get("retired", 0)
            found.loose_to = None if row.get("filters") else int(retired)
            continue
        if not isinstance(row, dict) or _SEALED not in line or "sealed" not in row:
            raise ValueError(f"line {number} is no row of an audit log")
        found.take(row, line.rstrip("\r\n").split(_SEALED, 1)[1][:-1])
        if found.flaw:
            return found
    if head is None:
        raise ValueError("the file is empty")
    if found.loose_to is not None and found.seq != head.get("seq"):
        found.flaw = f"the file ends at row #{found.seq}, its first line says #{head.get('seq')}"
    return found
