"""API of the audit log."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from modelyard.core.http.pagination import Pages
from tenants.api_base import TenantApiView
from tenants.http import tenant_of
from tenants.models import AuditEvent, Tenant
from tenants.trail import filters, rows, selectors


class ActorOut(serializers.Serializer[object]):
    """Who acted; `name` is what the workspace calls them."""

    kind = serializers.CharField()
    id = serializers.CharField()
    name = serializers.CharField()


class ThingOut(serializers.Serializer[object]):
    """On what."""

    kind = serializers.CharField()
    id = serializers.CharField()


class SealOut(serializers.Serializer[object]):
    """The event's place in the chain of hashes."""

    seq = serializers.IntegerField()
    hash = serializers.CharField()
    sealed_at = serializers.DateTimeField()


class AuditEventOut(serializers.Serializer[object]):
    """An act; `seal` is null in its first seconds."""

    id = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    action = serializers.CharField()
    actor = ActorOut()
    object = ThingOut()
    facts = serializers.DictField()
    request_id = serializers.CharField()
    seal = SealOut(allow_null=True)


def _shown(tenant: Tenant, events: list[AuditEvent]) -> list[dict[str, object]]:
    names, seals = rows.actor_names(tenant, events), selectors.seals_of(events)
    return [
        {
            "id": event.pk,
            "created_at": event.created_at,
            "action": event.action,
            "actor": {
                "kind": event.actor_kind,
                "id": event.actor_id,
                "name": names[event.actor_kind, event.actor_id],
            },
            "object": {"kind": event.object_kind, "id": event.object_id},
            "facts": event.facts,
            "request_id": event.request_id,
            "seal": seals.get(event.pk),
        }
        for event in events
    ]


class EventList(TenantApiView):
    """The audit log."""

    permissions = {"GET": "audit.read"}

    @extend_schema(
        operation_id="audit_list",
        parameters=[
            OpenApiParameter("actor", str, description="`user:<id>`, `key:<id>`, `staff`, ..."),
            OpenApiParameter("action", str, description="`run.submitted`, or `run` for all."),
            OpenApiParameter("object", str, description="`run:<id>`, or `run` for all."),
            OpenApiParameter("from", str, description="Day or moment from which on (UTC)."),
            OpenApiParameter("to", str, description="Day (included) or moment up to which (UTC)."),
        ],
        responses=AuditEventOut(many=True),
        summary="Who did what, newest first",
    )
    def get(self, request: Request) -> Response:
        """Return a page of events."""
        asked = filters.parse(request.query_params)
        pages = Pages()
        found = asked.apply(selectors.event_list())
        events = list(pages.paginate_queryset(found, request, view=self) or [])
        shown = _shown(tenant_of(request), events)
        return pages.get_paginated_response(AuditEventOut(shown, many=True).data)
