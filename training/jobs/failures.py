"""Why a run ended without a model, for people: what happened and what to do, by code.

The engine's own refusals (rows, settings) bring their sentence with them and are not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WORKER_LOST = "worker_lost"
ENGINE_CRASHED = "engine_crashed"
STALLED = "stalled"
TIME_LIMIT = "time_limit"
INTERNAL = "internal_error"
DATABASE_LOST = "database_lost"


@dataclass(frozen=True)
class Failure:
    """A cause in one sentence, and what to do about it."""

    cause: Promise
    remedy: Promise


FAILURES: Mapping[str, Failure] = MappingProxyType(
    {
        WORKER_LOST: Failure(
            _("The worker was lost, most likely because it ran out of memory."),
            _("Run it again with a smaller batch or shorter texts (max_length)."),
        ),
        ENGINE_CRASHED: Failure(
            _("The training stopped unexpectedly; the end of its output is in the log."),
            _("Run it again. If it stays, send us the address of this page."),
        ),
        STALLED: Failure(
            _("The training said nothing for too long and was stopped."),
            _("Run it again. If it stays, send us the address of this page."),
        ),
        TIME_LIMIT: Failure(
            _("The run took all the training time that was left."),
            _("Train fewer epochs or on fewer rows, or upgrade the plan."),
        ),
        INTERNAL: Failure(
            _("Something broke on our side."),
            _("Run it again. If it stays, send us the address of this page."),
        ),
        DATABASE_LOST: Failure(
            _("The database could not be reached during the run."),
            _("Run it again in a minute."),
        ),
    }
)


def sentence(code: str) -> str:
    """Return cause and remedy of a code as they are stored."""
    known = FAILURES[code]
    return f"{known.cause} {known.remedy}"


def explain(code: str, stored: str) -> tuple[str, str]:
    """Return (cause, remedy) in the reader's language; the stored sentence where none is known."""
    known = FAILURES.get(code)
    return (str(known.cause), str(known.remedy)) if known else (stored, "")
