"""API of runs: order, watch, cancel, run again, read the report."""

from __future__ import annotations

import uuid
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from modelyard.core.errors import Invalid
from modelyard.core.http.pagination import Pages
from modelyard.core.http.serializers import BodySerializer
from tenants.api_base import TenantApiView
from tenants.http import actor_of
from tenants.scoping.context import tenant_scope
from training.jobs import progress, recipes, report, selectors, services
from training.jobs.models import Run


class RunIn(BodySerializer):
    """What shall be trained."""

    dataset_version_id = serializers.UUIDField(help_text="A frozen dataset version.")
    model_name = serializers.CharField(
        max_length=80, help_text="The model that gets the next version; made if it is new."
    )
    preset = serializers.ChoiceField(
        choices=list(recipes.PRESET_TITLES), default=recipes.DEFAULT_PRESET
    )
    spec = serializers.DictField(
        required=False, help_text="Settings on top of the preset, e.g. epochs, learning_rate."
    )


class RunOut(serializers.Serializer[object]):
    """A run."""

    id = serializers.UUIDField()
    number = serializers.IntegerField()
    model_name = serializers.CharField()
    dataset_version_id = serializers.UUIDField()
    status = serializers.CharField()
    attempt = serializers.IntegerField()
    phase = serializers.CharField()
    step = serializers.IntegerField()
    steps = serializers.IntegerField()
    percent = serializers.SerializerMethodField()
    eta_seconds = serializers.FloatField(allow_null=True)
    train_ms = serializers.IntegerField()
    error_code = serializers.CharField()
    error_message = serializers.CharField()
    metrics = serializers.JSONField(source="summary")
    model_version_id = serializers.UUIDField(source="output_version_id", allow_null=True)
    spec = serializers.JSONField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)

    def get_percent(self, run: Run) -> int:
        """Return how far the run is, 0 to 100."""
        return progress.percent_of(run)


class EventOut(serializers.Serializer[object]):
    """Something that happened in a run."""

    seq = serializers.IntegerField()
    kind = serializers.CharField()
    at = serializers.FloatField(help_text="Unix time in seconds.")
    payload = serializers.JSONField()


class EventsOut(serializers.Serializer[object]):
    """Events in order; ask again with `after` set to the last `seq`."""

    events = EventOut(many=True)
    final = serializers.BooleanField(help_text="Nothing more will come.")


class RunList(TenantApiView):
    """The workspace's runs."""

    permissions = {"GET": "runs.read", "POST": "runs.write"}
    paid = True

    @extend_schema(operation_id="runs_list", responses=RunOut(many=True), summary="List runs")
    def get(self, request: Request) -> Response:
        """Return a page of runs, newest first."""
        pages = Pages()
        rows = pages.paginate_queryset(selectors.run_list(), request, view=self)
        return pages.get_paginated_response(RunOut(rows, many=True).data)

    @extend_schema(
        operation_id="runs_create",
        request=RunIn,
        responses={201: RunOut},
        summary="Train a model on a frozen dataset version",
    )
    def post(self, request: Request) -> Response:
        """Order a run."""
        given = RunIn(data=request.data)
        given.is_valid(raise_exception=True)
        run = services.run_submit(actor=actor_of(request), **given.validated_data)
        return Response(RunOut(run).data, status=201)


class RunDetail(TenantApiView):
    """One run."""

    permissions = {"GET": "runs.read"}

    @extend_schema(operation_id="runs_get", responses=RunOut, summary="Get a run")
    def get(self, request: Request, run_id: uuid.UUID) -> Response:
        """Return the run with its progress."""
        del request
        return Response(RunOut(selectors.run_get(run_id)).data)


class RunEvents(TenantApiView):
    """What happened in a run."""

    permissions = {"GET": "runs.read"}

    @extend_schema(
        operation_id="runs_events",
        parameters=[
            OpenApiParameter(
                "after",
                {"type": "integer", "minimum": 0, "maximum": 999_999_999},
                description="Events above this number.",
            )
        ],
        responses=EventsOut,
        summary="Read a run's events",
    )
    def get(self, request: Request, run_id: uuid.UUID) -> Response:
        """Return events after a number, at most 500."""
        run = selectors.run_get(run_id)
        return Response(selectors.events_page(run, after=after_of(request.query_params)))


class RunCancel(TenantApiView):
    """Stopping a run."""

    permissions = {"POST": "runs.write"}

    @extend_schema(
        operation_id="runs_cancel", request=None, responses=RunOut, summary="Cancel a run"
    )
    def post(self, request: Request, run_id: uuid.UUID) -> Response:
        """Stop the run; no model is registered and nothing is charged."""
        return Response(RunOut(services.run_cancel(actor=actor_of(request), run_id=run_id)).data)


class RunRetry(TenantApiView):
    """Running a failed run again."""

    permissions = {"POST": "runs.write"}
    paid = True

    @extend_schema(
        operation_id="runs_retry", request=None, responses=RunOut, summary="Run a failed run again"
    )
    def post(self, request: Request, run_id: uuid.UUID) -> Response:
        """Queue the failed run again."""
        return Response(RunOut(services.run_retry(actor=actor_of(request), run_id=run_id)).data)


class RunReport(TenantApiView):
    """The full report of a run."""

    permissions = {"GET": "runs.read"}
    long_lived = True

    @extend_schema(
        operation_id="runs_report",
        responses=OpenApiTypes.OBJECT,
        summary="Get the full report beside the baseline's",
    )
    def get(self, request: Request, run_id: uuid.UUID) -> Response:
        """Return metrics.json of the registered artifact."""
        with tenant_scope(actor_of(request).tenant_id):
            facts = report.artifact_of(selectors.run_get(run_id))
        return Response(report.metrics_of(facts))


def after_of(query: Any) -> int:
    """Return the event number to go on from; 0 where none is given.

    Raises:
        Invalid: It is not a number.
    """
    value = query.get("after", "0")
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise Invalid(
            _("`after` is the number of the last event that you have."), code="after_invalid"
        )
    return int(value)
