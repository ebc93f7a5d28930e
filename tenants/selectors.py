"""Reads of the directories: who is a member where, whose key this is."""

from __future__ import annotations

import datetime as dt
import hmac
import uuid
from collections.abc import Sequence

from django.db.models import Q, QuerySet

from modelyard.core import clock
from tenants import keys
from tenants.models import ApiKey, AuditEvent, Membership, Tenant, User


def membership_find(*, user: User, slug: str) -> Membership | None:
    """Return the person's place in the tenant of that slug, or None."""
    return Membership.objects.select_related("tenant").filter(user=user, tenant__slug=slug).first()


def membership_list(*, user: User) -> QuerySet[Membership]:
    """Return the person's places, by name."""
    return Membership.objects.select_related("tenant").filter(user=user).order_by("tenant__name")


def tenant_get(tenant_id: uuid.UUID) -> Tenant:
    """Return a tenant by id."""
    return Tenant.objects.get(pk=tenant_id)


def tenant_lock(tenant_id: uuid.UUID) -> Tenant:
    """Return the tenant, locked to the end of the transaction: one counter of limits at a time."""
    return Tenant.objects.select_for_update(no_key=True).get(pk=tenant_id)


def key_find(text: str) -> ApiKey | None:
    """Return the live key that `text` is, or None (unknown, expired, revoked, mistyped).

    Whether its tenant may work, `tenants.controls.suspension.key_find` tells.
    """
    public_id = keys.public_id_of(text)
    if public_id is None:
        return None
    key = (
        ApiKey.objects.select_related("tenant")
        .filter(public_id=public_id, revoked_at=None)
        .filter(Q(expires_at=None) | Q(expires_at__gt=clock.now()))
        .first()
    )
    if key is None or not hmac.compare_digest(key.digest, keys.digest(text)):
        return None
    return key


def key_list(tenant_id: uuid.UUID) -> QuerySet[ApiKey]:
    """Return the tenant's keys, newest first."""
    return ApiKey.objects.filter(tenant_id=tenant_id).order_by("-id")


def key_get(tenant_id: uuid.UUID, key_id: uuid.UUID) -> ApiKey | None:
    """Return one of the tenant's keys, or None."""
    return ApiKey.objects.filter(tenant_id=tenant_id, pk=key_id).first()


def key_live(tenant_id: uuid.UUID) -> QuerySet[ApiKey]:
    """Return the tenant's keys that work now."""
    return key_list(tenant_id).filter(
        Q(expires_at=None) | Q(expires_at__gt=clock.now()), revoked_at=None
    )


def key_ended(*, since: dt.datetime, until: dt.datetime) -> QuerySet[ApiKey, str]:
    """Return the digests of all tenants' keys that were revoked or expired in that time."""
    ended = Q(revoked_at__gt=since) | Q(expires_at__gt=since, expires_at__lte=until)
    return ApiKey.objects.filter(ended).values_list("digest", flat=True)


def audit_list() -> QuerySet[AuditEvent]:
    """Return the tenant's audit events, newest first."""
    return AuditEvent.objects.order_by("-id")


def people_named(ids: Sequence[str]) -> dict[str, str]:
    """Return id -> what people call them; unknown ids are left out."""
    return {str(user.pk): str(user) for user in User.objects.filter(pk__in=set(ids))}
