"""Idempotency-Key (IETF draft-ietf-httpapi-idempotency-key-header): once, and the same answer.

The record is inserted before the work, in its transaction: a parallel twin waits on the unique
index and then gets the stored answer; a first try that failed leaves nothing behind. Records live
for 24 hours (`purge`). The stored answer is encrypted (AES-256-GCM under the key pepper), because
answers hold secrets that are kept nowhere else.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import os
import uuid
from dataclasses import asdict, dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError, connection, transaction
from django.http.request import RawPostDataException
from django.utils.translation import gettext_lazy as _
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from modelyard.core import clock
from modelyard.core.errors import Conflict, Invalid, TooLarge
from tenants.models import IdempotencyRecord
from tenants.scoping.context import ops_scope

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replay"
MOST_CHARACTERS = 255
KEPT = dt.timedelta(hours=24)
PATIENCE_MS = 20_000
"""How long a twin waits for the first: below the limit of a statement."""
_NONCE_BYTES = 12
_LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says of itself.

    Attributes:
        key: Its Idempotency-Key.
        route: Method and address, for people.
        request_hash: SHA-256 of everything that makes the request: route, query, body.
    """

    key: str
    route: str
    request_hash: str


def asked(request: Request) -> Claim | None:
    """Return the claim of a request, None without a key; to be asked before the body is parsed.

    Raises:
        Invalid: `idempotency_key_long`.
        TooLarge: The body is larger than any may be.
    """
    key: str = request.headers.get(HEADER, "")
    if not key:
        return None
    if len(key) > MOST_CHARACTERS:
        raise Invalid(
            _("The Idempotency-Key may have 255 characters."), code="idempotency_key_long"
        )
    plain = request._request  # noqa: SLF001 - DRF has no public name
    try:
        body = plain.body
    except RequestDataTooBig as error:
        raise TooLarge(_("The body may have 2 MiB. Upload files instead.")) from error
    except RawPostDataException:
        body = b""  # a form, whose fields were looked at for the CSRF token; no route takes one
    route = f"{request.method} {plain.get_full_path()}"
    digest = hashlib.sha256(body).hexdigest()
    whole = hashlib.sha256(f"{route}\n{digest}".encode()).hexdigest()
    return Claim(key, route[:255], whole)


def stored(claim: Claim) -> Response | None:
    """Return the answer that is stored for this request; needs an open scope.

    Raises:
        Invalid: The key was used for another request.
    """
    record = IdempotencyRecord.objects.filter(key=claim.key).first()
    return None if record is None else _replay(claim, record)


def take(claim: Claim) -> tuple[IdempotencyRecord | None, Response | None]:
    """Claim the key in the transaction of the work: (record to fill, None) or (None, the answer).

    Raises:
        Invalid: The key was used for another request.
        Conflict: The first request with this key is still at work.
    """
    while True:
        record = _insert(claim)
        if record is not None:
            return record, None
        found = IdempotencyRecord.objects.filter(key=claim.key).first()
        if found is not None:  # None: it was purged this moment
            return None, _replay(claim, found)


def _insert(claim: Claim) -> IdempotencyRecord | None:
    record = IdempotencyRecord(**asdict(claim))
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("select set_config('lock_timeout', %s, true)", [f"{PATIENCE_MS}ms"])
            cursor.execute(
                "insert into tenants_idempotencyrecord"
                " (id, tenant_id, created_at, key, route, request_hash)"
                " values (%s, %s, now(), %s, %s, %s) on conflict (tenant_id, key) do nothing",
                [record.pk, record.tenant_id, claim.key, claim.route, claim.request_hash],
            )
            inserted = cursor.rowcount == 1
            cursor.execute("select set_config('lock_timeout', '0', true)")
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", "") != _LOCK_NOT_AVAILABLE:
            raise
        raise Conflict(
            _("A request with this Idempotency-Key is still running; ask again in a second."),
            code="idempotency_running",
            retry_after=1,
        ) from error
    return record if inserted else None


def _replay(claim: Claim, record: IdempotencyRecord) -> Response:
    if record.request_hash != claim.request_hash:
        raise Invalid(
            _("This Idempotency-Key was used for another request. Use a new one."),
            code="idempotency_mismatch",
        )
    body = None if record.sealed is None else json.loads(_open(record))
    return Response(body, status=record.status or 200, headers={REPLAYED: "true"})


def fill(record: IdempotencyRecord, response: Response) -> None:
    """Store the answer of the work under the claimed key."""
    answer = None
    if response.data is not None:
        answer = _seal(record, JSONRenderer().render(response.data))
    IdempotencyRecord.objects.filter(pk=record.pk).update(
        status=response.status_code, sealed=answer
    )


def _cipher() -> AESGCM:
    pepper = settings.API_KEY_PEPPER.encode()
    return AESGCM(hmac.new(pepper, b"idempotency answers", hashlib.sha256).digest())


def _seal(record: IdempotencyRecord, body: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _cipher().encrypt(nonce, body, record.pk.bytes)


def _open(record: IdempotencyRecord) -> bytes:
    sealed = bytes(record.sealed or b"")
    return _cipher().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], record.pk.bytes)


def purge() -> int:
    """Forget answers older than 24 hours, of all tenants; return how many."""
    # Ids begin with the milliseconds of their making, so that the primary key finds the old ones.
    until = int((clock.now() - KEPT).timestamp() * 1000)
    oldest = uuid.UUID(int=until << 80)
    with ops_scope("purge of idempotency records"):
        gone, _kinds = IdempotencyRecord.objects.filter(pk__lt=oldest).delete()
    return gone
