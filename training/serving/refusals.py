"""What the door's verdicts mean to the caller: a code, and a sentence that says what to do."""

from __future__ import annotations

import math
from collections.abc import Callable

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from modelyard.core.errors import (
    Conflict,
    DomainError,
    Forbidden,
    Invalid,
    PredictionFailed,
    QuotaExceeded,
    TooMany,
    Unauthenticated,
    Unavailable,
)


def unreachable(outcome: str) -> Unavailable:
    """Return the refusal of a call whose connection broke; `outcome` is what a cancel said."""
    if outcome == "cancelled":
        return Unavailable(
            _("The queue was out of reach for a while; nothing was charged. Send it again."),
            code="queue_unreachable",
            retry_after=1,
        )
    return _unknown([])


def _unknown(_verdict: list[str]) -> Unavailable:
    return Unavailable(
        _(
            "The answer got lost on its way. Send the same request with the same"
            " Idempotency-Key: you get the stored answer and are charged once."
        ),
        code="outcome_unknown",
        retry_after=1,
    )


def _quota(verdict: list[str]) -> QuotaExceeded:
    limit, used = int(verdict[1]), int(verdict[2])
    left = max(0, limit - used)
    sentence = ngettext(
        "Your plan allows %(limit)d predictions in this billing period and %(left)d is left."
        " Choose a larger plan, or wait for the next period.",
        "Your plan allows %(limit)d predictions in this billing period and %(left)d are left."
        " Choose a larger plan, or wait for the next period.",
        left,
    )
    return QuotaExceeded(
        sentence % {"limit": limit, "left": left}, meter="predictions", limit=limit, used=used
    )


def _rate(verdict: list[str]) -> TooMany:
    seconds = max(1, math.ceil(int(verdict[1]) / 1000))
    return TooMany(
        _("Too many requests; wait %(seconds)d s before the next.") % {"seconds": seconds},
        code="rate_limited",
        retry_after=seconds,
    )


def _not_loaded(verdict: list[str]) -> Unavailable:
    return Unavailable(
        _("The model is being loaded; send the request again in a few seconds."),
        code="not_loaded",
        retry_after=2,
        version_id=verdict[1],
    )


def _not_live(verdict: list[str]) -> DomainError:
    status = verdict[1]
    if status in {"pending", "loading"}:
        return Unavailable(
            _("The deployment is starting; send the request again in a few seconds."),
            code="deployment_starting",
            retry_after=2,
        )
    return Conflict(
        _("The deployment does not answer (it is %(status)s); start it on its page.")
        % {"status": status},
        code="deployment_not_live",
        state=status,
    )


def _unavailable(code: str) -> Callable[[list[str]], Unavailable]:
    return lambda _verdict: Unavailable(_SENTENCES[code](), code=code, retry_after=1)


_SENTENCES: dict[str, Callable[[], str]] = {
    "no_server": lambda: _("No model server is up at the moment; try again shortly."),
    "full": lambda: _("Too many requests are waiting; try again shortly."),
    "deadline": lambda: _("The model did not answer in time; nothing was charged. Try again."),
    "records_moving": lambda: _("The deployment is just being changed; try again."),
}

_REFUSALS: dict[str, Callable[[list[str]], DomainError]] = {
    "key_expired": lambda _v: Unauthenticated(
        _("This API key has expired; make a new one."), code="key_expired"
    ),
    "scope_missing": lambda _v: Forbidden(
        _("This API key may not predict; make one with that permission."), code="scope_missing"
    ),
    "not_live": _not_live,
    "mismatch": lambda _v: Invalid(
        _("This Idempotency-Key was used with another request; choose a new key."),
        code="idempotency_mismatch",
    ),
    "running": lambda _v: Conflict(
        _("A request with this Idempotency-Key is still running; ask again in a second."),
        code="idempotency_running",
        retry_after=1,
    ),
    "no_server": _unavailable("no_server"),
    "full": _unavailable("full"),
    "deadline": _unavailable("deadline"),
    "expired": _unavailable("deadline"),
    "records_moving": _unavailable("records_moving"),
    "cancelled": lambda _v: unreachable("cancelled"),
    "unknown": _unknown,
    "quota": _quota,
    "rate": _rate,
    "busy": lambda _v: TooMany(
        _("Your workspace has too many requests under way; wait for some to end."),
        code="busy",
        retry_after=1,
    ),
    "not_loaded": _not_loaded,
    "error": lambda _v: PredictionFailed(
        _("The model could not answer this text; nothing was charged. Try another text.")
    ),
    "poison": lambda _v: PredictionFailed(
        _("This request stopped the model twice and was refused; nothing was charged.")
    ),
}


def refusal(verdict: list[str]) -> DomainError:
    """Return the refusal that a verdict of the door's script stands for."""
    return _REFUSALS[verdict[0]](verdict)
