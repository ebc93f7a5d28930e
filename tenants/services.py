"""Writes: make a workspace at sign-up; make, change, rotate and revoke keys."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import cast

import redis
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from modelyard.core import clock, ids, valkey
from modelyard.core.errors import Conflict, Invalid, NotFound
from tenants import access, addresses, audit, keys, selectors
from tenants.access import Actor
from tenants.limits.limiter import USED_KEYS
from tenants.models import ApiKey, Membership, Role, Tenant, User
from tenants.scoping.context import ops_scope, tenant_scope

RESERVED_SLUGS = frozenset({"new", "api", "admin", "ops", "static", "accounts", "docs"})
KEY_LIFETIME = dt.timedelta(days=90)
"""What a new key gets unless its maker chooses."""
OVERLAP = dt.timedelta(days=1)
MOST_OVERLAP = dt.timedelta(days=30)
RECHECKED = dt.timedelta(minutes=10)
"""Longer than a copy of a key lives at the door (5 minutes)."""
on_key_revoked: list[Callable[[str], None]] = []
"""Called after commit with the digest of a key that was revoked or changed: drop your copy."""


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
    *,
    actor: Actor,
    name: str,
    scopes: Sequence[str],
    expires_at: dt.datetime | None = None,
    networks: Sequence[str] = (),
) -> tuple[ApiKey, str]:
    """Make a key; the second value is the key itself, shown once and kept nowhere.

    Args:
        actor: Who.
        name: What will use it.
        scopes: Of `access.SCOPE_PERMISSIONS`.
        expires_at: When it ends by itself; None is never.
        networks: From where it may be used (CIDR); none is from everywhere.

    Raises:
        Invalid: `scope_unknown`, `expiry_past`, `address_invalid`, `addresses_many`.
    """
    access.require(actor, "keys.manage")
    unknown = sorted(set(scopes) - set(access.SCOPE_PERMISSIONS))
    if unknown or not scopes:
        raise Invalid(
            _("Choose scopes out of: %(all)s.") % {"all": ", ".join(access.SCOPE_PERMISSIONS)},
            code="scope_unknown",
        )
    if expires_at is not None and expires_at <= clock.now():
        raise Invalid(_("The expiry must lie in the future."), code="expiry_past")
    fields = {
        "name": name.strip()[:80] or "key",
        "scopes": sorted(set(scopes)),
        "addresses": addresses.clean(networks),
        "expires_at": expires_at,
    }
    key, text = _key_write(actor, fields)
    audit.record(
        actor, "key.created", key, name=key.name, scopes=key.scopes, addresses=key.addresses
    )
    return key, text


def _key_write(actor: Actor, fields: Mapping[str, object]) -> tuple[ApiKey, str]:
    fresh = keys.generate()
    key = ApiKey.objects.create(
        tenant_id=actor.tenant_id,
        public_id=fresh.public_id,
        digest=fresh.digest,
        created_by_id=uuid.UUID(actor.id) if actor.kind == "user" else None,
        **fields,
    )
    return key, fresh.text


def key_update(
    *,
    actor: Actor,
    key_id: uuid.UUID,
    name: str | None = None,
    networks: Sequence[str] | None = None,
) -> ApiKey:
    """Change a live key's name or the networks it may be used from; None leaves it.

    Raises:
        NotFound: There is no such key.
        Conflict: `key_ended`.
        Invalid: `address_invalid`, `addresses_many`.
    """
    key = _key_lock(actor, key_id)
    _require_live(key)
    if name is not None and name.strip():
        key.name = name.strip()[:80]
    if networks is not None:
        key.addresses = addresses.clean(networks)
    key.save(update_fields=["name", "addresses"])
    audit.record(actor, "key.changed", key, name=key.name, addresses=key.addresses)
    _drop_copies(key)
    return key


def key_rotate(
    *, actor: Actor, key_id: uuid.UUID, overlap: dt.timedelta = OVERLAP
) -> tuple[ApiKey, str]:
    """Make the key that follows another: same name, scopes, networks and length of life.

    Args:
        actor: Who.
        key_id: The key to replace.
        overlap: How long it still works; nothing ends it at once.

    Raises:
        NotFound: There is no such key.
        Conflict: `key_ended`, or `rotation_running`: two of its line are live already.
        Invalid: `overlap_range`.
    """
    if not dt.timedelta(0) <= overlap <= MOST_OVERLAP:
        raise Invalid(_("The old key may work for up to 30 more days."), code="overlap_range")
    old = _key_lock(actor, key_id)
    _require_live(old)
    if selectors.key_live(actor.tenant_id).filter(lineage=old.lineage).count() > 1:
        raise Conflict(
            _("Two keys of this name work already. Revoke one of them first."),
            code="rotation_running",
        )
    now = clock.now()
    lifetime = None if old.expires_at is None else old.expires_at - old.created_at
    fields = {
        "name": old.name,
        "scopes": old.scopes,
        "addresses": old.addresses,
        "lineage": old.lineage,
        "expires_at": None if lifetime is None else now + lifetime,
    }
    fresh, text = _key_write(actor, fields)
    ends_at = now + overlap
    if overlap:
        old.expires_at = min(old.expires_at or ends_at, ends_at)
    else:
        old.revoked_at = now
    old.save(update_fields=["expires_at", "revoked_at"])
    audit.record(actor, "key.rotated", old, name=old.name, by=str(fresh.pk), ends_at=ends_at)
    _drop_copies(old)
    return fresh, text


def key_revoke(*, actor: Actor, key_id: uuid.UUID) -> ApiKey:
    """Revoke a key: the next request with it is refused.

    Raises:
        NotFound: There is no such key.
    """
    key = _key_lock(actor, key_id)
    if key.revoked_at is None:
        key.revoked_at = clock.now()
        key.save(update_fields=["revoked_at"])
        audit.record(actor, "key.revoked", key)
        _drop_copies(key)
    return key


def _key_lock(actor: Actor, key_id: uuid.UUID) -> ApiKey:
    """Return a key, locked with its line, so that two rotations can't both see one live key."""
    access.require(actor, "keys.manage")
    key = selectors.key_get(actor.tenant_id, key_id)
    if key is None:
        raise NotFound(_("There is no such key."))
    line = selectors.key_list(actor.tenant_id).filter(lineage=key.lineage)
    return {one.pk: one for one in line.select_for_update()}[key.pk]


def _require_live(key: ApiKey) -> None:
    if not key.is_live:
        raise Conflict(
            _("This key has ended, so it can't be changed. Make a new one."), code="key_ended"
        )


def _drop_copies(key: ApiKey) -> None:
    for drop in on_key_revoked:
        transaction.on_commit(partial(drop, key.digest))


def key_copies_recheck() -> int:
    """Drop copies of keys that ended lately, should a drop have been lost; return how many."""
    now = clock.now()
    with ops_scope("recheck of ended keys"):
        digests = list(selectors.key_ended(since=now - RECHECKED, until=now))
    for digest in digests:
        for drop in on_key_revoked:
            drop(digest)
    return len(digests)


def key_use_write() -> int:
    """Write when keys were last used, as Valkey has noted it; return how many were.

    The notes are put aside first and dropped after the commit: a crash in between repeats.
    """
    written = 0
    for client in {
        settings.CACHE_URL: valkey.cache(),
        settings.SERVING_URL: valkey.serving(),
    }.values():
        aside = f"{USED_KEYS}:aside"
        if not client.exists(aside):
            try:
                client.rename(USED_KEYS, aside)
            except redis.ResponseError:
                continue  # no key was used
        found = client.zrange(aside, 0, -1, withscores=True)
        notes = dict(cast("list[tuple[str, float]]", found))
        with ops_scope("last use of keys"), connection.cursor() as cursor:
            cursor.execute(
                "update tenants_apikey k set last_used_at = v.at from"
                " (select unnest(%s::uuid[]) id, to_timestamp(unnest(%s::float8[]) / 1000) at) v"
                " where k.id = v.id and (k.last_used_at is null or k.last_used_at < v.at)",
                [list(notes), list(notes.values())],
            )
            written += cursor.rowcount
        client.delete(aside)
    return written
