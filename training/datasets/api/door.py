"""What the API views of datasets share: the checked body, the address of another view."""

from __future__ import annotations

import uuid
from typing import Any

from django.urls import reverse
from rest_framework import serializers
from rest_framework.request import Request

from tenants.http import tenant_of

READ_DELETE = {"GET": "data.read", "DELETE": "data.delete"}
READ_WRITE = {"GET": "data.read", "POST": "data.write", "DELETE": "data.write"}


def valid(kind: type[serializers.Serializer[object]], request: Request) -> dict[str, Any]:
    """Return the checked body; a wrong one answers 400 by itself."""
    given = kind(data=request.data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def address(request: Request, name: str, **ids: uuid.UUID) -> str:
    """Return the address of an API view under the caller's own door (key or session)."""
    match = request._request.resolver_match  # noqa: SLF001 - DRF has no public name
    if match is not None and "tenant-api" in match.namespaces:
        return reverse(f"tenant-api:{name}", kwargs={"slug": tenant_of(request).slug, **ids})
    return reverse(f"api:{name}", kwargs=ids)
