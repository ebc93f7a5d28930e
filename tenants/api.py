"""API of the workspace itself: who am I, and its keys."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from modelyard.core import clock
from modelyard.core.errors import NotFound
from modelyard.core.http.pagination import Pages
from modelyard.core.http.serializers import BodySerializer
from tenants import selectors, services
from tenants.access import SCOPE_PERMISSIONS
from tenants.addresses import MOST
from tenants.api_base import TenantApiView
from tenants.http import actor_of, plain, tenant_of
from tenants.identity.fresh import require_fresh


class WorkspaceOut(serializers.Serializer[object]):
    """The workspace and what the caller may do in it."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    actor = serializers.CharField()
    permissions = serializers.ListField(child=serializers.CharField())


class AddressesField(serializers.ListField):
    """Networks that a key may be used from; an empty list is from everywhere."""

    def __init__(self, **options: Any) -> None:
        """Take what a list field takes."""
        options.setdefault("child", serializers.CharField(max_length=64))
        options.setdefault("max_length", MOST)
        options.setdefault("help_text", "CIDR networks, IPv4 or IPv6, such as 192.0.2.0/24.")
        super().__init__(**options)


class KeyIn(BodySerializer):
    """What a new key shall be."""

    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=sorted(SCOPE_PERMISSIONS)), min_length=1, max_length=4
    )
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="90 days from now, unless given; null is never."
    )
    addresses = AddressesField(required=False)


class KeyChangeIn(BodySerializer):
    """What of a key shall be different."""

    name = serializers.CharField(max_length=80, required=False)
    addresses = AddressesField(required=False)


class KeyRotateIn(BodySerializer):
    """How long the old key works beside the new one."""

    overlap_seconds = serializers.IntegerField(
        min_value=0,
        max_value=int(services.MOST_OVERLAP.total_seconds()),
        default=int(services.OVERLAP.total_seconds()),
        help_text="0 revokes the old key at once.",
    )


class KeyOut(serializers.Serializer[object]):
    """A key without its secret."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    public_id = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    addresses = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)


class KeyCreatedOut(KeyOut):
    """A fresh key: `key` is shown this once."""

    key = serializers.CharField()


class Workspace(TenantApiView):
    """The workspace that the key or session belongs to."""

    permissions = {}

    @extend_schema(operation_id="workspace_get", responses=WorkspaceOut, summary="Who am I")
    def get(self, request: Request) -> Response:
        """Return workspace, actor and permissions."""
        tenant, actor = tenant_of(request), actor_of(request)
        return Response(
            WorkspaceOut(
                {
                    "id": tenant.pk,
                    "slug": tenant.slug,
                    "name": tenant.name,
                    "actor": actor.kind,
                    "permissions": sorted(actor.permissions),
                }
            ).data
        )


class KeyList(TenantApiView):
    """The workspace's keys."""

    permissions = {"GET": "keys.manage", "POST": "keys.manage"}

    @extend_schema(operation_id="keys_list", responses=KeyOut(many=True), summary="List keys")
    def get(self, request: Request) -> Response:
        """Return a page of keys, newest first."""
        pages = Pages()
        keys = selectors.key_list(tenant_of(request).pk)
        rows = pages.paginate_queryset(keys, request, view=self)
        return pages.get_paginated_response(KeyOut(rows, many=True).data)

    @extend_schema(
        operation_id="keys_create",
        request=KeyIn,
        responses={201: KeyCreatedOut},
        summary="Make a key; it is shown this once",
    )
    def post(self, request: Request) -> Response:
        """Make a key."""
        require_fresh(plain(request))
        given = KeyIn(data=request.data)
        given.is_valid(raise_exception=True)
        facts = given.validated_data
        key, text = services.key_create(
            actor=actor_of(request),
            name=facts["name"],
            scopes=facts["scopes"],
            networks=facts.get("addresses", ()),
            expires_at=facts.get("expires_at", clock.now() + services.KEY_LIFETIME),
        )
        return Response({**KeyOut(key).data, "key": text}, status=201)


class KeyDetail(TenantApiView):
    """One key."""

    permissions = {"GET": "keys.manage", "PATCH": "keys.manage", "DELETE": "keys.manage"}

    @extend_schema(operation_id="keys_get", responses=KeyOut, summary="Get a key")
    def get(self, request: Request, key_id: uuid.UUID) -> Response:
        """Return the key without its secret."""
        key = selectors.key_get(tenant_of(request).pk, key_id)
        if key is None:
            raise NotFound(_("There is no such key."))
        return Response(KeyOut(key).data)

    @extend_schema(
        operation_id="keys_change",
        request=KeyChangeIn,
        responses=KeyOut,
        summary="Change a key's name or the addresses it may be used from",
    )
    def patch(self, request: Request, key_id: uuid.UUID) -> Response:
        """Change it: the next request with it is judged by that."""
        require_fresh(plain(request))
        given = KeyChangeIn(data=request.data)
        given.is_valid(raise_exception=True)
        key = services.key_update(
            actor=actor_of(request),
            key_id=key_id,
            name=given.validated_data.get("name"),
            networks=given.validated_data.get("addresses"),
        )
        return Response(KeyOut(key).data)

    @extend_schema(operation_id="keys_revoke", responses={200: KeyOut}, summary="Revoke a key")
    def delete(self, request: Request, key_id: uuid.UUID) -> Response:
        """Revoke it: the next request with it is refused."""
        return Response(KeyOut(services.key_revoke(actor=actor_of(request), key_id=key_id)).data)


class KeyRotate(TenantApiView):
    """The key that follows another."""

    permissions = {"POST": "keys.manage"}

    @extend_schema(
        operation_id="keys_rotate",
        request=KeyRotateIn,
        responses={201: KeyCreatedOut},
        summary="Replace a key; the new one is shown this once, the old one works on for a while",
    )
    def post(self, request: Request, key_id: uuid.UUID) -> Response:
        """Make the new key, set the old one's end."""
        require_fresh(plain(request))
        given = KeyRotateIn(data=request.data)
        given.is_valid(raise_exception=True)
        overlap = dt.timedelta(seconds=given.validated_data["overlap_seconds"])
        key, text = services.key_rotate(actor=actor_of(request), key_id=key_id, overlap=overlap)
        return Response({**KeyOut(key).data, "key": text}, status=201)
