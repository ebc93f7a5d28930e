"""API of frozen versions."""

from __future__ import annotations

import uuid

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from modelyard.core.http.pagination import Pages
from tenants.api_base import TenantApiView
from tenants.http import actor_of
from training.datasets import selectors, services
from training.datasets.api import door
from training.datasets.wire import versions as wire


class DatasetVersions(TenantApiView):
    """The versions of a dataset."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="versions_list", responses=wire.VersionOut(many=True), summary="List versions"
    )
    def get(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Return a page of versions, newest first."""
        selectors.dataset_get(dataset_id)
        pages = Pages()
        rows = pages.paginate_queryset(selectors.version_list(dataset_id), request, view=self)
        return pages.get_paginated_response(wire.VersionOut(rows, many=True).data)

    @extend_schema(
        operation_id="versions_create",
        request=wire.VersionIn,
        responses={201: wire.VersionOut},
        summary="Freeze a version",
    )
    def post(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Freeze the labelled rows; GET the version until its status is `frozen`."""
        given = door.valid(wire.VersionIn, request)
        version = services.version_freeze(actor=actor_of(request), dataset_id=dataset_id, **given)
        return Response(wire.version_body(version), status=201)


class VersionDetail(TenantApiView):
    """One version."""

    permissions = door.READ_WRITE

    @extend_schema(operation_id="versions_get", responses=wire.VersionOut, summary="Get a version")
    def get(self, request: Request, version_id: uuid.UUID) -> Response:
        """Return a version."""
        del request
        return Response(wire.version_body(selectors.version_row(version_id)))
