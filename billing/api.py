"""API of usage: what is used of the plan, and the ledger's lines."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing import plans, selectors
from modelyard.core.http.pagination import Pages
from tenants.api_base import TenantApiView
from tenants.http import tenant_of


class GaugeOut(serializers.Serializer[object]):
    """One limit; `limit` is null where the plan has none."""

    name = serializers.CharField()
    used = serializers.IntegerField()
    limit = serializers.IntegerField(allow_null=True)


class UsageOut(serializers.Serializer[object]):
    """What is used of the plan in the running period."""

    plan = serializers.CharField(source="plan.name")
    period_start = serializers.DateTimeField(source="period.start")
    period_end = serializers.DateTimeField(source="period.end")
    meters = GaugeOut(source="gauges", many=True)


class EntryIn(serializers.Serializer[object]):
    """Which lines."""

    request_id = serializers.CharField(required=False, max_length=80)
    meter = serializers.ChoiceField(choices=plans.METERS, required=False)


class EntryOut(serializers.Serializer[object]):
    """A line of the ledger; never changed once written."""

    id = serializers.UUIDField()
    request_id = serializers.CharField(source="entry_id")
    meter = serializers.CharField()
    amount = serializers.IntegerField()
    at = serializers.DateTimeField()
    subject = serializers.DictField()


class Usage(TenantApiView):
    """The running period."""

    permissions = {"GET": "usage.read"}

    @extend_schema(operation_id="usage_get", responses=UsageOut, summary="Usage and limits")
    def get(self, request: Request) -> Response:
        """Return plan, period, and each meter with its limit."""
        return Response(UsageOut(selectors.summary(tenant_of(request).pk)).data)


class EntryList(TenantApiView):
    """The ledger."""

    permissions = {"GET": "usage.read"}

    @extend_schema(
        operation_id="usage_entries",
        parameters=[
            OpenApiParameter("request_id", str, description="Only the line of this request."),
            OpenApiParameter("meter", str, enum=list(plans.METERS)),
        ],
        responses=EntryOut(many=True),
        summary="Lines of the ledger, newest first",
    )
    def get(self, request: Request) -> Response:
        """Return a page of lines. A prediction's line appears about a second after its answer."""
        # A plain dict: in a form's data an empty value counts as none; `?meter=` is a mistake.
        asked = EntryIn(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        pages = Pages()
        rows = pages.paginate_queryset(
            selectors.entry_list(**asked.validated_data), request, view=self
        )
        return pages.get_paginated_response(EntryOut(rows, many=True).data)
