"""What a check found: fine, wrong with a way out, or not looked at with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WRONG = "wrong"
    PASSED_OVER = "passed over"


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        code: Stable name of the check, for scripts.
        state: How it ended.
        says: What was found, a sentence.
        do: What to do about it; only where something is wrong.
    """

    code: str
    state: State
    says: str
    do: str = ""


def fine(code: str, says: str) -> Finding:
    """All is well."""
    return Finding(code, State.OK, says)


def wrong(code: str, says: str, do: str) -> Finding:
    """Something has to be done."""
    return Finding(code, State.WRONG, says, do)


def passed_over(code: str, why: str) -> Finding:
    """This could not, or need not, be looked at."""
    return Finding(code, State.PASSED_OVER, why)


def plain(error: BaseException) -> str:
    """Return an error's first line, for use inside a sentence."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
