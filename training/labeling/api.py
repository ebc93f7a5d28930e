"""API of labelling: projects, and what a labelling client needs of one."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from modelyard.core.http.pagination import Pages
from tenants.api_base import TenantApiView
from tenants.http import actor_of
from training.labeling import selectors, services, wire
from training.labeling.types import Answer, Undo

READ_WRITE = {"GET": "data.read", "POST": "data.write"}
LABEL = {"POST": "label.write"}


def _valid(kind: type[serializers.Serializer[object]], request: Request) -> dict[str, Any]:
    given = kind(data=request.data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


class ProjectList(TenantApiView):
    """The workspace's labelling projects."""

    permissions = READ_WRITE

    @extend_schema(
        operation_id="labeling_projects_list",
        responses=wire.ProjectOut(many=True),
        summary="List labelling projects",
    )
    def get(self, request: Request) -> Response:
        """Return a page of projects, newest first."""
        pages = Pages()
        rows = pages.paginate_queryset(selectors.project_list(), request, view=self)
        return pages.get_paginated_response(wire.ProjectOut(rows, many=True).data)

    @extend_schema(
        operation_id="labeling_projects_create",
        request=wire.ProjectIn,
        responses={201: wire.ProjectDetailOut},
        summary="Make a labelling project",
    )
    def post(self, request: Request) -> Response:
        """Make a project with its tasks."""
        given = _valid(wire.ProjectIn, request)
        made = services.project_create(actor=actor_of(request), **given)
        return Response(wire.project_body(selectors.project_get(made.pk)), status=201)


class ProjectDetail(TenantApiView):
    """One labelling project."""

    permissions = READ_WRITE

    @extend_schema(
        operation_id="labeling_projects_get",
        responses=wire.ProjectDetailOut,
        summary="Get a labelling project",
    )
    def get(self, request: Request, project_id: uuid.UUID) -> Response:
        """Return a project with its counts."""
        del request
        return Response(wire.project_body(selectors.project_get(project_id)))


class ProjectLease(TenantApiView):
    """Take tasks."""

    permissions = LABEL

    @extend_schema(
        operation_id="labeling_lease",
        request=wire.LeaseIn,
        responses=wire.LeaseOut,
        summary="Lease the next tasks",
    )
    def post(self, request: Request, project_id: uuid.UUID) -> Response:
        """Hand out tasks that nobody else gets until the lease is over."""
        project = selectors.project_get(project_id)
        asked = _valid(wire.LeaseIn, request)
        given = services.lease_next(
            actor=actor_of(request),
            project_id=project_id,
            count=asked["n"],
            page=asked["page"],
            resume=asked["resume"],
        )
        body = {
            "tasks": wire.task_bodies(project, given.task_ids),
            "until": given.until,
            "counts": wire.TaskCountsOut(selectors.project_counts(project_id)).data,
        }
        return Response(body)


class ProjectRenew(TenantApiView):
    """Keep tasks."""

    permissions = LABEL

    @extend_schema(
        operation_id="labeling_renew",
        request=wire.RenewIn,
        responses=wire.RenewOut,
        summary="Renew leases",
    )
    def post(self, request: Request, project_id: uuid.UUID) -> Response:
        """Keep tasks for another while, as long as the page lives."""
        selectors.project_get(project_id)
        given = _valid(wire.RenewIn, request)
        until, lost = services.lease_renew(
            actor=actor_of(request), project_id=project_id, task_ids=given["tasks"]
        )
        return Response({"until": until, "lost": lost})


class ProjectAnnotations(TenantApiView):
    """Answer tasks."""

    permissions = LABEL

    @extend_schema(
        operation_id="labeling_annotations",
        request=wire.AnswersIn,
        responses=wire.ResultsOut,
        summary="Submit answers",
    )
    def post(self, request: Request, project_id: uuid.UUID) -> Response:
        """Take answers; repeats by `client_id` count once."""
        selectors.project_get(project_id)
        given = _valid(wire.AnswersIn, request)
        answers = [
            Answer(item["task"], item["label"], item["client_id"], item["duration_ms"])
            for item in given["items"]
        ]
        results = services.annotation_submit(
            actor=actor_of(request), project_id=project_id, answers=answers
        )
        return Response(wire.results_body(results))


class ProjectUndo(TenantApiView):
    """Take answers back."""

    permissions = LABEL

    @extend_schema(
        operation_id="labeling_undo",
        request=wire.UndoIn,
        responses=wire.ResultsOut,
        summary="Undo answers and skips",
    )
    def post(self, request: Request, project_id: uuid.UUID) -> Response:
        """Take the caller's own answers or skips back."""
        selectors.project_get(project_id)
        given = _valid(wire.UndoIn, request)
        results = services.annotation_undo(
            actor=actor_of(request),
            project_id=project_id,
            undos=[Undo(item["task"], item["client_id"]) for item in given["items"]],
            page=given["page"],
        )
        return Response(wire.results_body(results))


class ProjectSkip(TenantApiView):
    """Set tasks aside."""

    permissions = LABEL

    @extend_schema(
        operation_id="labeling_skip",
        request=wire.SkipIn,
        responses=wire.ResultsOut,
        summary="Skip tasks",
    )
    def post(self, request: Request, project_id: uuid.UUID) -> Response:
        """Set tasks aside; the project's owner can put them back."""
        selectors.project_get(project_id)
        given = _valid(wire.SkipIn, request)
        results = services.task_skip(
            actor=actor_of(request), project_id=project_id, task_ids=given["tasks"]
        )
        return Response(wire.results_body(results))


class ProjectFreeze(TenantApiView):
    """Freeze the accepted labels."""

    permissions = READ_WRITE

    @extend_schema(
        operation_id="labeling_freeze",
        request=None,
        responses={201: wire.FrozenOut},
        summary="Freeze accepted labels as a version",
    )
    def post(self, request: Request, project_id: uuid.UUID) -> Response:
        """Write the new labels into the dataset and freeze a version of it."""
        frozen = services.labels_freeze(actor=actor_of(request), project_id=project_id)
        return Response(wire.FrozenOut(frozen).data, status=201)
