"""Idempotency-Key (IETF draft-ietf-httpapi-idempotency-key-header): once, and the same answer.

The record is inserted before the work, in its transaction: a parallel twin waits on the
unique index and then gets the stored answer; a failed first try leaves nothing behind.
"""

from __future__ import annotations

import hashlib
from typing import Any

from django.db import connection
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from modelyard.core.errors import Invalid
from tenants.models import IdempotencyRecord

HEADER = "Idempotency-Key"


def _fingerprint(request: Request) -> tuple[str, str]:
    plain = request._request  # noqa: SLF001 - DRF has no public name
    return f"{request.method} {plain.path_info}"[:255], hashlib.sha256(plain.body).hexdigest()


def claim(request: Request) -> tuple[IdempotencyRecord | None, Response | None]:
    """Claim the request's key: (record to fill, None), (None, stored answer), or (None, None).

    Raises:
        Invalid: The key is too long, or was used for another request.
    """
    key = request.headers.get(HEADER, "")
    if not key:
        return None, None
    if len(key) > 255:
        raise Invalid(
            _("The Idempotency-Key may have 255 characters."), code="idempotency_key_long"
        )
    route, body_hash = _fingerprint(request)
    record = IdempotencyRecord(key=key, route=route, body_hash=body_hash)
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into tenants_idempotencyrecord"
            " (id, tenant_id, created_at, key, route, body_hash)"
            " values (%s, %s, now(), %s, %s, %s) on conflict (tenant_id, key) do nothing",
            [record.pk, record.tenant_id, key, route, body_hash],
        )
        if cursor.rowcount == 1:
            return record, None
    stored = IdempotencyRecord.objects.get(key=key)
    if (stored.route, stored.body_hash) != (route, body_hash):
        raise Invalid(
            _("This Idempotency-Key was used for another request. Use a new one."),
            code="idempotency_mismatch",
        )
    replay = {"Idempotent-Replay": "true"}
    return None, Response(stored.body, status=stored.status or 200, headers=replay)


def fill(record: IdempotencyRecord, response: Response) -> None:
    """Store the answer of the work under the claimed key."""
    body: Any = response.data
    IdempotencyRecord.objects.filter(pk=record.pk).update(status=response.status_code, body=body)
