"""The engine's errors: a stable code, a sentence that says what to do, an exit status."""

from typing import ClassVar


class EngineError(Exception):
    """Something the user or the caller can act on.

    Attributes:
        code: stable, machine-readable name of the problem.
        message: a sentence for the user.
        exit_code: exit status of the command line (sysexits.h).
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class SpecError(EngineError):
    """The settings, the base model or the command line are wrong (EX_USAGE)."""

    exit_code = 64


class DataError(EngineError):
    """The rows cannot be trained on or evaluated (EX_DATAERR)."""

    exit_code = 65


class ArtifactError(EngineError):
    """A model folder is incomplete, changed, or not allowed (EX_DATAERR)."""

    exit_code = 65


class TrainingError(EngineError):
    """Training itself went wrong, for instance the loss is no longer a number."""


class CancelledError(EngineError):
    """Training was asked to stop; a checkpoint is written if there is a place for it."""

    exit_code = 75
