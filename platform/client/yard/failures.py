"""Why a command ends early: each has a sentence for people, a code, and an exit status."""

from __future__ import annotations


class Failure(Exception):
    """The command can't go on; the message says what to do."""

    status = 1

    def __init__(self, message: str, *, code: str = "failed") -> None:
        """Keep the sentence and the stable code."""
        super().__init__(message)
        self.code = code


class Refused(Failure):
    """The platform, or the file, says no."""


class Lost(Failure):
    """The network is gone; the same command goes on later."""

    status = 3

    def __init__(self, message: str) -> None:
        """Keep the sentence."""
        super().__init__(
            f"{message} What has arrived is kept: run the same command to go on.", code="lost"
        )


class Unanswered(Failure):
    """Nobody said yes; the file waits on the platform."""

    status = 4
