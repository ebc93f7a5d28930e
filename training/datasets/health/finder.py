"""What a check of rows is: it sees each row once, points at some, and says what it found."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol


class Row(NamedTuple):
    """A row as a check sees it."""

    id: str
    text: str
    label: str | None


Found = dict[str, Any]
"""A check's result, as JSON: counts and shares; never a piece of a text."""


class Finder(Protocol):
    """A check in one pass."""

    def see(self, row: Row) -> Found | None:
        """Return what is to be said of this row, or None when it is well."""

    def result(self) -> Found:
        """Return the result, after the last row."""
