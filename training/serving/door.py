"""The door of the predict path: one call in, one answer or one reason out.

One Lua step reads the key's record and the deployment, checks plan, rate and room, and queues
the request; the answer comes back on this process's reply stream. No query, no session: the
caller gives `rebuild` for the rare record that is missing. `docs/architecture.md`, section 7.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from modelyard.core import ids
from modelyard.core.errors import (
    Invalid,
    TooLarge,
)
from tenants import addresses
from tenants.limits.limiter import Reading
from training.serving import records, refusals
from training.serving.mux import DEPTH, GRACE_SECONDS, LOST, Mux, Ticket
from training.serving.records import Rebuild
from training.serving.runtime import names

SCOPE = "predict"
MAX_TEXTS = 128
MAX_BYTES = 256 * 1024
MAX_KEY_LENGTH = 200
_REBUILDS = 6
_WITHOUT_RATE = frozenset({"key_expired", "scope_missing", "address", "cancelled"})
"""Verdicts without the caller's rate as their last item."""


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
class Visitor:
    """What the connection says of a caller.

    Attributes:
        address: The client's, for keys with an allow-list; '' when nobody can say.
        on_rate: Is told what the caller's rate allows still, whatever becomes of the request.
    """

    address: str = ""
    on_rate: Callable[[Reading], None] | None = None


NOBODY = Visitor()


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
    visitor: Visitor = NOBODY

    def args(self, nonce: str, reply: str) -> list[str | int]:
        """Return the arguments of the door's script after the record's key."""
        keyed = self.key is not None
        number = _sha(f"{self.key}:{self.fingerprint}") if keyed else ids.new().hex
        mark = self.mark(number)
        return [
            *(self.name, self.scope, mark, int(keyed), self.fingerprint, number, nonce),
            *(reply, self.ttl_ms, self.texts, DEPTH, uuid.uuid4().hex, self.body),
            *(names.ALIVE_WINDOW_MS, addresses.bits(self.visitor.address)),
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
    visitor: Visitor = NOBODY,
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
        visitor: Whence the caller knocks, and who is told what their rate allows still.

    Raises:
        DomainError: Every refusal, with a stable code; none of them was charged, except that
            code `outcome_unknown` may have been: the same key again tells.
    """
    started = time.monotonic()
    call = _call(digest, name, scope, texts, idempotency_key, ttl_ms)
    call = replace(call, visitor=visitor)
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
        raise refusals.unreachable(outcome) from error
    match verdict:
        case ["replay", request_id, body]:
            return _answer(request_id, body, started, replayed=True)
        case ["ok", request_id, idempotency]:
            status, body = _wait(mux, ticket, idempotency, call)
            if status == "ok":
                return _answer(request_id, body, started, replayed=False)
            raise refusals.refusal([status, body])
    if verdict == ["address"]:
        raise addresses.refusal(call.visitor.address)
    raise refusals.refusal(verdict)


def _enter(
    mux: Mux, call: _Call, args: list[str | int], rebuild: Rebuild, until: float
) -> list[str]:
    """Call the door, rebuilding at most a few missing records."""
    for _attempt in range(_REBUILDS):
        verdict = mux.enter(call.digest, args, until=until)
        if verdict[0] != "missing":
            return _without_rate(call, verdict)
        what, lease, tenant = verdict[1:]
        if what == "key":
            record = rebuild.key(call.digest)
            now = time.time_ns() // 1_000_000
            records.key_put(mux.client, call.digest, record, lease=lease, now=now)
        else:
            entry = rebuild.deployment(tenant, call.name)
            records.deployment_put(mux.client, tenant, call.name, entry, lease=lease)
    return ["records_moving"]


def _without_rate(call: _Call, verdict: list[str]) -> list[str]:
    """Take the rate off a verdict and tell whoever wants to know."""
    if verdict[0] in _WITHOUT_RATE:
        return verdict
    *rest, told = verdict
    if told and call.visitor.on_rate is not None:
        limit, left, whole = told.split(" ")
        call.visitor.on_rate(Reading(int(limit), int(left), int(whole)))
    return rest


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


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
