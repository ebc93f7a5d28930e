"""API of the loops."""

from __future__ import annotations

import uuid

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from modelyard.core.http.serializers import BodySerializer
from tenants.api_base import TenantApiView
from tenants.http import actor_of
from training.labeling import selectors as labeling
from training.loops import selectors, services, views
from training.loops.models import Gain


class SuggestionsIn(BodySerializer):
    """Which deployment suggests labels; '' for none."""

    deployment = serializers.CharField(max_length=63, allow_blank=True)


class SuggestionsOut(serializers.Serializer[object]):
    """Which deployment suggests labels, and what stops it, if anything."""

    deployment = serializers.CharField(source="suggestion_deployment")
    problem = serializers.CharField(source="suggestion_problem")


class ProjectSuggestions(TenantApiView):
    """The suggestions of a labelling project."""

    permissions = {"GET": "data.read", "POST": "data.write"}

    @extend_schema(
        operation_id="labeling_suggestions_get",
        responses=SuggestionsOut,
        summary="Get who suggests labels",
    )
    def get(self, request: Request, project_id: uuid.UUID) -> Response:
        """Return the deployment that is asked."""
        del request
        return Response(SuggestionsOut(labeling.project_get(project_id)).data)

    @extend_schema(
        operation_id="labeling_suggestions_choose",
        request=SuggestionsIn,
        responses=SuggestionsOut,
        summary="Choose who suggests labels",
    )
    def post(self, request: Request, project_id: uuid.UUID) -> Response:
        """Let a live deployment suggest labels; its predictions count."""
        labeling.project_get(project_id)
        given = SuggestionsIn(data=request.data)
        given.is_valid(raise_exception=True)
        project = services.suggestions_choose(
            actor=actor_of(request),
            project_id=project_id,
            deployment=given.validated_data["deployment"],
        )
        return Response(SuggestionsOut(project).data)


class GainIn(BodySerializer):
    """How to measure."""

    base = serializers.CharField(
        max_length=120, required=False, help_text="The base model; the default one without it."
    )


class GainTrainingOut(serializers.Serializer[object]):
    """One training that is over: figures of its last epoch on the validation rows."""

    seed = serializers.IntegerField()
    augmented = serializers.BooleanField(help_text="Whether it learnt from augmented rows too.")
    macro_f1 = serializers.FloatField()
    accuracy = serializers.FloatField()
    train_ms = serializers.IntegerField()


class GainResultOut(serializers.Serializer[object]):
    """What was found, in macro-F1 from 0 to 1."""

    mean = serializers.FloatField(help_text="Of the differences, with minus without.")
    low = serializers.FloatField(help_text="Lower end of the 95 % interval.")
    high = serializers.FloatField(help_text="Its upper end.")
    verdict = serializers.ChoiceField(
        choices=["helps", "same", "hurts"],
        help_text="`helps` only when `low` is above 0; `same`: not to be told from chance.",
    )
    differences = serializers.ListField(child=serializers.FloatField(), help_text="One a seed.")
    rows = serializers.IntegerField(help_text="Validation rows that judged.")


class GainFailureOut(serializers.Serializer[object]):
    """Why the gain was not measured."""

    code = serializers.CharField()
    detail = serializers.CharField()


class GainOut(serializers.Serializer[object]):
    """What a version's augmented rows are worth; `result` is there once it is `done`."""

    id = serializers.UUIDField()
    version_id = serializers.UUIDField()
    status = serializers.CharField()
    base = serializers.CharField()
    percent = serializers.SerializerMethodField()
    eta_seconds = serializers.FloatField(allow_null=True)
    trainings = GainTrainingOut(many=True)
    result = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)

    def get_percent(self, gain: Gain) -> int:
        """Return how far it is, 0 to 100."""
        return selectors.percent(gain)

    @extend_schema_field(GainResultOut(allow_null=True))
    def get_result(self, gain: Gain) -> dict[str, object] | None:
        """Return what was found, None before it is done."""
        return dict(GainResultOut(gain.result).data) if gain.result else None

    @extend_schema_field(GainFailureOut(allow_null=True))
    def get_error(self, gain: Gain) -> dict[str, str] | None:
        """Return why it failed, in the language that is active now."""
        if not gain.error_code:
            return None
        return {"code": gain.error_code, "detail": views.problem_of(gain)}


class VersionGain(TenantApiView):
    """What the augmented rows of a version are worth."""

    permissions = {"GET": "runs.read", "POST": "runs.write"}
    paid = True

    @extend_schema(
        operation_id="gains_get",
        responses=GainOut,
        summary="Get what a version's augmented rows are worth",
    )
    def get(self, request: Request, version_id: uuid.UUID) -> Response:
        """Return the measurement, or how far it is."""
        del request
        return Response(GainOut(selectors.gain_get(version_id)).data)

    @extend_schema(
        operation_id="gains_start",
        request=GainIn,
        responses={201: GainOut},
        summary="Measure what a version's augmented rows are worth",
    )
    def post(self, request: Request, version_id: uuid.UUID) -> Response:
        """Train with and without them, three seeds each; a measurement that stopped goes on."""
        given = GainIn(data=request.data)
        given.is_valid(raise_exception=True)
        gain = services.gain_start(
            actor=actor_of(request),
            version_id=version_id,
            base=given.validated_data.get("base", ""),
        )
        return Response(GainOut(gain).data, status=201)


class VersionGainCancel(TenantApiView):
    """Stopping a measurement."""

    permissions = {"POST": "runs.write"}

    @extend_schema(
        operation_id="gains_cancel",
        request=None,
        responses=GainOut,
        summary="Stop measuring",
    )
    def post(self, request: Request, version_id: uuid.UUID) -> Response:
        """Stop it; trainings that are over stay, and are charged."""
        gain = services.gain_cancel(actor=actor_of(request), version_id=version_id)
        return Response(GainOut(gain).data)
