"""The door of the predict path: one call in, one answer or one reason out.

One Lua step reads the key's record and the deployment, checks plan, rate and room, and queues
the request; the answer comes back on this process's reply stream. No query, no session: the
caller gives `rebuild` for the rare record that is missing. `docs/architecture.md`, section 7.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from modelyard.core import ids
from modelyard.core.errors import (
    Conflict,
    DomainError,
    Forbidden,
    Invalid,
    PredictionFailed,
    QuotaExceeded,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from training.serving import records
from training.serving.mux import DEPTH, GRACE_SECONDS, LOST, Mux, Ticket
from training.serving.records import Rebuild
from training.serving.runtime import names

SCOPE = "predict"
MAX_TEXTS = 128
MAX_BYTES = 256 * 1024
MAX_KEY_LENGTH = 200
_REBUILDS = 6


@dataclass(frozen=True, slots=True)
class Answer:
    """A metered answer.

    Attributes:
        request_id: Id of the ledger entry; the same for every repeat under the same key.
        deployment_id: Deployment that was asked.
        version_id: Model version that answered.
        predictions: Per text `label`, `score`, `scores` (label -> score), `truncated`.
        tokens: Tokens read.
        run_ms: Time of the batch in the model.
        total_ms: Time from the door to here.
        replayed: The stored answer of an earlier call with the same key; not charged again.
    """

    request_id: str
    deployment_id: str
    version_id: str
    predictions: list[dict[str, Any]]
    tokens: int
    run_ms: float
    total_ms: float
    replayed: bool


@dataclass(frozen=True, slots=True)
class _Call:
    """What one request brings to the door."""

    digest: str
    name: str
    scope: str
    texts: int
    body: str
    fingerprint: str
    key: str | None
    ttl_ms: int

    def args(self, nonce: str, reply: str) -> list[str | int]:
        """Return the arguments of the door's script after the record's key."""
        keyed = self.key is not None
        number = _sha(f"{self.key}:{self.fingerprint}") if keyed else ids.new().hex
        mark = self.mark(number)
        return [
            *(self.name, self.scope, mark, int(keyed), self.fingerprint, number, nonce),
            *(reply, self.ttl_ms, self.texts, DEPTH, uuid.uuid4().hex, self.body),
            names.ALIVE_WINDOW_MS,
        ]

    def mark(self, number: str) -> str:
        """Return the last part of the idempotency hash's name."""
        return number if self.key is None else _sha(self.key)


class _Process:
    """This process's mux; never inherited over a fork."""

    mux: Mux | None = None
    lock = threading.Lock()


def _after_fork() -> None:
    _Process.mux = None
    _Process.lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def current_mux() -> Mux:
    """Return this process's mux, made on first use."""
    if _Process.mux is None:
        with _Process.lock:
            if _Process.mux is None:
                _Process.mux = Mux(settings.SERVING_URL)
    return _Process.mux


def predict(
    *,
    digest: str,
    name: str,
    texts: list[str],
    rebuild: Rebuild,
    idempotency_key: str | None = None,
    scope: str = SCOPE,
    ttl_ms: int | None = None,
) -> Answer:
    """Classify texts through a deployment, metered once per request.

    Args:
        digest: Names the key's record: the keyed hash of an API key, or of a session's actor.
        name: Deployment's name within the key's tenant.
        texts: 1 to 128 texts.
        rebuild: Reads a missing record from PostgreSQL.
        idempotency_key: The client's; the same key and body again is the same request.
        scope: What the key must allow.
        ttl_ms: How long anybody wants the answer; the setting `PREDICT_DEADLINE_MS` by default.

    Raises:
        DomainError: Every refusal, with a stable code; none of them was charged, except that
            code `outcome_unknown` may have been: the same key again tells.
    """
    started = time.monotonic()
    call = _call(digest, name, scope, texts, idempotency_key, ttl_ms)
    mux = current_mux()
    ticket = mux.open()
    try:
        return _through(mux, ticket, call, rebuild, started)
    finally:
        mux.forget(ticket)


def _call(
    digest: str, name: str, scope: str, texts: list[str], key: str | None, ttl_ms: int | None
) -> _Call:
    if not texts or len(texts) > MAX_TEXTS:
        raise Invalid(
            _("Send between 1 and %(most)d texts in a request.") % {"most": MAX_TEXTS},
            code="texts_count",
        )
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            raise Invalid(
                _("Text %(number)d is empty; leave it out or write something.")
                % {"number": number},
                code="text_empty",
            )
    if key is not None and not 0 < len(key) <= MAX_KEY_LENGTH:
        raise Invalid(
            _("The Idempotency-Key must have 1 to %(most)d characters.") % {"most": MAX_KEY_LENGTH},
            code="idempotency_key_length",
        )
    # Lone surrogates cannot travel as UTF-8; ASCII escapes carry whatever the client sent.
    body = json.dumps(texts)
    if len(body) > MAX_BYTES:
        raise TooLarge(
            _("The texts are larger than %(most)d kB together; send fewer at once.")
            % {"most": MAX_BYTES // 1024}
        )
    fingerprint = _sha(json.dumps([name, texts]))
    ttl = settings.PREDICT_DEADLINE_MS if ttl_ms is None else ttl_ms
    return _Call(digest, name, scope, len(texts), body, fingerprint, key, ttl)


def _through(mux: Mux, ticket: Ticket, call: _Call, rebuild: Rebuild, started: float) -> Answer:
    until = started + call.ttl_ms / 1000
    args = call.args(ticket.nonce, mux.reply)
    try:
        verdict = _enter(mux, call, args, rebuild, until)
    except LOST as error:
        outcome = mux.cancel(ticket, names.key_record(call.digest), str(args[2]))
        raise _unreachable(outcome) from error
    match verdict:
        case ["replay", request_id, body]:
            return _answer(request_id, body, started, replayed=True)
        case ["ok", request_id, idempotency]:
            status, body = _wait(mux, ticket, idempotency, call)
            if status == "ok":
                return _answer(request_id, body, started, replayed=False)
            raise _refusal([status, body])
    raise _refusal(verdict)


def _enter(
    mux: Mux, call: _Call, args: list[str | int], rebuild: Rebuild, until: float
) -> list[str]:
    """Call the door, rebuilding at most a few missing records."""
    for _attempt in range(_REBUILDS):
        verdict = mux.enter(call.digest, args, until=until)
        if verdict[0] != "missing":
            return verdict
        what, lease, tenant = verdict[1:]
        if what == "key":
            record = rebuild.key(call.digest)
            now = time.time_ns() // 1_000_000
            records.key_put(mux.client, call.digest, record, lease=lease, now=now)
        else:
            entry = rebuild.deployment(tenant, call.name)
            records.deployment_put(mux.client, tenant, call.name, entry, lease=lease)
    return ["records_moving"]


def _wait(mux: Mux, ticket: Ticket, idempotency: str, call: _Call) -> tuple[str, str]:
    """Return the answer's status and body; at the deadline cancel, or wait for a decided one."""
    until = time.monotonic() + call.ttl_ms / 1000
    answer = mux.wait(ticket, until)
    if answer is not None:
        return answer
    outcome = mux.cancel(ticket, idempotency)
    if outcome == "cancelled":
        return "deadline", ""
    return mux.wait(ticket, time.monotonic() + GRACE_SECONDS) or ("unknown", "")


def _answer(request_id: str, body: str, started: float, *, replayed: bool) -> Answer:
    found = json.loads(body)
    return Answer(
        request_id=request_id,
        deployment_id=found["deployment"],
        version_id=found["version"],
        predictions=found["predictions"],
        tokens=found["tokens"],
        run_ms=found["run_ms"],
        total_ms=round((time.monotonic() - started) * 1000, 2),
        replayed=replayed,
    )


def _unreachable(outcome: str) -> Unavailable:
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
        status=status,
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
    "cancelled": lambda _v: _unreachable("cancelled"),
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


def _refusal(verdict: list[str]) -> DomainError:
    return _REFUSALS[verdict[0]](verdict)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
