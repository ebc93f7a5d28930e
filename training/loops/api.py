"""API of the loops."""

from __future__ import annotations

import uuid

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from modelyard.core.http.serializers import BodySerializer
from tenants.api_base import TenantApiView
from tenants.http import actor_of
from training.labeling import selectors as labeling
from training.loops import services


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
