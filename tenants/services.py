"""Writes: make a workspace at sign-up, make and revoke keys."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from functools import partial

from django.db import IntegrityError, transaction
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from modelyard.core import clock, ids
from modelyard.core.errors import Invalid, NotFound
from tenants import access, audit, keys, selectors
from tenants.access import Actor
from tenants.models import ApiKey, Membership, Role, Tenant, User
from tenants.scoping.context import tenant_scope

RESERVED_SLUGS = frozenset({"new", "api", "admin", "ops", "static", "accounts", "docs"})
USED_EVERY = dt.timedelta(minutes=1)
on_key_revoked: list[Callable[[str], None]] = []
"""Called after commit with the digest of a revoked key (the serving door drops its record)."""


def _slug_for(name: str) -> str:
    slug = slugify(name)[:40].strip("-") or "workspace"
    return f"{slug}-1" if slug in RESERVED_SLUGS else slug


def workspace_name_for(email: str) -> str:
    """Return a first name for the workspace, from the address."""
    local, _sep, domain = email.partition("@")
    company = domain.split(".")[0]
    public = {"gmail", "outlook", "hotmail", "qq", "163", "icloud", "yahoo", "example"}
    return (local if company in public or not company else company).replace(".", " ").title()


def tenant_create(*, user: User, name: str) -> Tenant:
    """Make a tenant with `user` as its owner; the slug gets a suffix when it is taken."""
    name = name.strip()
    if not name:
        raise Invalid(_("Give the workspace a name."), code="name_missing")
    base = _slug_for(name)
    for attempt in range(20):
        slug = base if attempt == 0 else f"{base}-{ids.new().hex[-5:]}"
        try:
            with transaction.atomic():
                tenant = Tenant.objects.create(slug=slug, name=name[:120])
        except IntegrityError:
            continue
        Membership.objects.create(tenant=tenant, user=user, role=Role.OWNER)
        actor = Actor("user", str(user.pk), tenant.pk)
        with tenant_scope(tenant.pk):
            audit.record(actor, "tenant.created", tenant, name=name)
        return tenant
    raise Invalid(_("Choose another name for the workspace."), code="name_taken")


def key_create(
    *, actor: Actor, name: str, scopes: Sequence[str], expires_at: dt.datetime | None = None
) -> tuple[ApiKey, str]:
    """Make a key; the second value is the key itself, shown once and kept nowhere."""
    access.require(actor, "keys.manage")
    unknown = sorted(set(scopes) - set(access.SCOPE_PERMISSIONS))
    if unknown or not scopes:
        raise Invalid(
            _("Choose scopes out of: %(all)s.") % {"all": ", ".join(access.SCOPE_PERMISSIONS)},
            code="scope_unknown",
        )
    if expires_at is not None and expires_at <= clock.now():
        raise Invalid(_("The expiry must lie in the future."), code="expiry_past")
    fresh = keys.generate()
    key = ApiKey.objects.create(
        tenant_id=actor.tenant_id,
        name=name.strip()[:80] or "key",
        public_id=fresh.public_id,
        digest=fresh.digest,
        scopes=sorted(set(scopes)),
        expires_at=expires_at,
        created_by_id=uuid.UUID(actor.id) if actor.kind == "user" else None,
    )
    audit.record(actor, "key.created", key, name=key.name, scopes=key.scopes)
    return key, fresh.text


def key_used(key: ApiKey) -> None:
    """Note that a key was used, at most once a minute: a busy key is not a busy row."""
    now = clock.now()
    if key.last_used_at is None or now - key.last_used_at >= USED_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)


def key_revoke(*, actor: Actor, key_id: uuid.UUID) -> ApiKey:
    """Revoke a key: the next request with it is refused."""
    access.require(actor, "keys.manage")
    key = selectors.key_get(actor.tenant_id, key_id)
    if key is None:
        raise NotFound(_("There is no such key."))
    if key.revoked_at is None:
        key.revoked_at = clock.now()
        key.save(update_fields=["revoked_at"])
        audit.record(actor, "key.revoked", key)
        for drop in on_key_revoked:
            transaction.on_commit(partial(drop, key.digest))
    return key
