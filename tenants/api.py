"""API of the workspace itself: who am I, and its keys."""

from __future__ import annotations

import uuid

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from modelyard.core.errors import NotFound
from modelyard.core.http.pagination import Pages
from tenants import selectors, services
from tenants.access import SCOPE_PERMISSIONS
from tenants.api_base import TenantApiView
from tenants.http import actor_of, tenant_of


class WorkspaceOut(serializers.Serializer[object]):
    """The workspace and what the caller may do in it."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    actor = serializers.CharField()
    permissions = serializers.ListField(child=serializers.CharField())


class KeyIn(serializers.Serializer[object]):
    """What a new key shall be."""

    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=sorted(SCOPE_PERMISSIONS)), min_length=1, max_length=3
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class KeyOut(serializers.Serializer[object]):
    """A key without its secret."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    public_id = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
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
        given = KeyIn(data=request.data)
        given.is_valid(raise_exception=True)
        key, text = services.key_create(actor=actor_of(request), **given.validated_data)
        return Response({**KeyOut(key).data, "key": text}, status=201)


class KeyDetail(TenantApiView):
    """One key."""

    permissions = {"GET": "keys.manage", "DELETE": "keys.manage"}

    @extend_schema(operation_id="keys_get", responses=KeyOut, summary="Get a key")
    def get(self, request: Request, key_id: uuid.UUID) -> Response:
        """Return the key without its secret."""
        key = selectors.key_get(tenant_of(request).pk, key_id)
        if key is None:
            raise NotFound(_("There is no such key."))
        return Response(KeyOut(key).data)

    @extend_schema(operation_id="keys_revoke", responses=KeyOut, summary="Revoke a key")
    def delete(self, request: Request, key_id: uuid.UUID) -> Response:
        """Revoke it: the next request with it is refused."""
        return Response(KeyOut(services.key_revoke(actor=actor_of(request), key_id=key_id)).data)
