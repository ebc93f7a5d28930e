"""Typed factories of the directories: people, tenants, keys."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from django.test import Client

from tenants import services
from tenants.access import ROLE_PERMISSIONS, Actor
from tenants.models import Membership, Tenant, User
from tenants.scoping.context import tenant_scope

_count = itertools.count(1)


def make_user(email: str = "", password: str = "correct horse battery") -> User:
    """Make a person."""
    return User.objects.create_user(email or f"person{next(_count)}@example.com", password)


def make_tenant(user: User | None = None, name: str = "") -> Tenant:
    """Make a tenant that `user` owns."""
    return services.tenant_create(user=user or make_user(), name=name or f"Acme {next(_count)}")


def add_member(tenant: Tenant, role: str) -> User:
    """Add a new person to the tenant."""
    user = make_user()
    Membership.objects.create(tenant=tenant, user=user, role=role)
    return user


def owner_of(tenant: Tenant) -> Actor:
    """Return the owner as an actor."""
    member = Membership.objects.get(tenant=tenant, role="owner")
    return Actor("user", str(member.user_id), tenant.pk, ROLE_PERMISSIONS["owner"])


def make_key(tenant: Tenant, scopes: Sequence[str] = ("read", "write", "predict")) -> str:
    """Make a key and return its text."""
    with tenant_scope(tenant.pk):
        _key, text = services.key_create(actor=owner_of(tenant), name="test", scopes=scopes)
    return text


def bearer(key: str) -> dict[str, str]:
    """Return the keyword arguments that send `key` with Django's test client."""
    return {"HTTP_AUTHORIZATION": f"Bearer {key}"}


def signed_in(user: User, *, csrf: bool = False) -> Client:
    """Return a browser in which `user` has just signed in."""
    client = Client(enforce_csrf_checks=csrf)
    client.force_login(user)
    return client
