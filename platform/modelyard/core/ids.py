"""Identifiers: UUID version 7 (RFC 9562), ordered by time, so indexes stay compact."""

from __future__ import annotations

import secrets
import time
import uuid

_VARIANT = 0b10 << 62


def new() -> uuid.UUID:
    """Return a fresh UUIDv7: 48 bits of milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & ((1 << 48) - 1)) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return uuid.UUID(int=value)


class Sequence:
    """UUIDv7s, each greater than the one before whatever the clock does; cheap in great numbers.

    RFC 9562, section 6.2, method 1: the last 62 bits are a counter that starts at random in its
    lower half, for each call that comes in a later millisecond.
    """

    def __init__(self) -> None:
        """Start before every time."""
        self._milliseconds = -1
        self._head = ""
        self._counter = 0

    def take(self, count: int) -> list[str]:
        """Return the next `count` ids as text, in order."""
        milliseconds = time.time_ns() // 1_000_000
        if milliseconds > self._milliseconds:
            self._milliseconds = milliseconds
            self._head = f"{milliseconds:012x}7{secrets.randbits(12):03x}"
            self._counter = _VARIANT | secrets.randbits(61)
        first, self._counter = self._counter, self._counter + count
        return [f"{self._head}{number:016x}" for number in range(first, self._counter)]
