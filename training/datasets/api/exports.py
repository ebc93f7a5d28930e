"""API of exports."""

from __future__ import annotations

import uuid

from django.http import HttpResponseRedirect
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from modelyard.core import storage
from tenants.api_base import TenantApiView
from tenants.http import actor_of
from training.datasets import exported, services
from training.datasets.api import door
from training.datasets.wire import exports as wire


class DatasetExports(TenantApiView):
    """Ordering an export."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="dataset_exports_create",
        request=wire.ExportIn,
        responses={201: wire.DatasetExportOut},
        summary="Export a dataset's rows, or a frozen version's, in a format",
    )
    def post(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Start writing; GET the export until its status is `done`."""
        given = door.valid(wire.ExportIn, request)
        export = services.export_start(
            actor=actor_of(request),
            dataset_id=dataset_id,
            name=given["format"],
            version_id=given.get("version_id"),
        )
        return Response(wire.export_body(export), status=201)


class ExportDetail(TenantApiView):
    """One export."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="dataset_exports_get", responses=wire.DatasetExportOut, summary="Get an export"
    )
    def get(self, request: Request, dataset_id: uuid.UUID, rows_export_id: uuid.UUID) -> Response:
        """Return an export."""
        del request
        return Response(wire.export_body(exported.export_get(dataset_id, rows_export_id)))

    @extend_schema(
        operation_id="dataset_exports_cancel",
        responses={200: wire.DatasetExportOut},
        summary="Stop an export",
    )
    def delete(
        self, request: Request, dataset_id: uuid.UUID, rows_export_id: uuid.UUID
    ) -> Response:
        """Stop writing; there will be no file."""
        export = services.export_cancel(
            actor=actor_of(request), dataset_id=dataset_id, rows_export_id=rows_export_id
        )
        return Response(wire.export_body(export))


class ExportFile(TenantApiView):
    """The file of an export."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="dataset_exports_file",
        responses={302: OpenApiResponse(description="To the file")},
        summary="Download an export",
    )
    def get(
        self, request: Request, dataset_id: uuid.UUID, rows_export_id: uuid.UUID
    ) -> HttpResponseRedirect:
        """Redirect to the file."""
        del request
        export = exported.export_file(dataset_id, rows_export_id)
        return HttpResponseRedirect(
            storage.presign_get(export.storage_key, filename=export.filename)
        )
