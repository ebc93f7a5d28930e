"""API of connectors and their pulls, and of rows sent one by one."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from modelyard.core.http.pagination import Pages
from tenants.api_base import TenantApiView
from tenants.http import actor_of
from training.datasets import connector_selectors, selectors, services
from training.datasets.api import door
from training.datasets.wire import connectors as wire

PERMISSIONS = {**door.READ_WRITE, "PATCH": "data.write"}


class DatasetConnectors(TenantApiView):
    """The connectors of a dataset."""

    permissions = PERMISSIONS

    @extend_schema(
        operation_id="connectors_list",
        responses=wire.ConnectorOut(many=True),
        summary="List connectors",
    )
    def get(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Return a page of connectors, newest first."""
        selectors.dataset_get(dataset_id)
        pages = Pages()
        found = connector_selectors.connector_list(dataset_id)
        rows = pages.paginate_queryset(found, request, view=self)
        return pages.get_paginated_response(wire.ConnectorOut(rows, many=True).data)

    @extend_schema(
        operation_id="connectors_create",
        request=wire.ConnectorIn,
        responses={201: wire.ConnectorOut},
        summary="Connect a source of rows: a file's address, an S3 bucket, a feed or a sitemap",
    )
    def post(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Make a connector; start its first pull with POST `connectors/{id}/pulls`."""
        given = door.valid(wire.ConnectorIn, request)
        connector = services.connector_create(
            actor=actor_of(request),
            dataset_id=dataset_id,
            kind=given["kind"],
            name=given["name"],
            config=wire.config_of(given),
            secret=given.get("secret_key", ""),
            schedule=given.get("schedule", "none"),
        )
        return Response(wire.ConnectorOut(connector).data, status=201)


class ConnectorDetail(TenantApiView):
    """One connector."""

    permissions = PERMISSIONS

    @extend_schema(
        operation_id="connectors_get", responses=wire.ConnectorOut, summary="Get a connector"
    )
    def get(self, request: Request, connector_id: uuid.UUID) -> Response:
        """Return a connector, without its secret key."""
        del request
        return Response(wire.ConnectorOut(connector_selectors.connector_get(connector_id)).data)

    @extend_schema(
        operation_id="connectors_update",
        request=wire.ConnectorPatchIn,
        responses=wire.ConnectorOut,
        summary="Change, pause or resume a connector",
    )
    def patch(self, request: Request, connector_id: uuid.UUID) -> Response:
        """Change what is given."""
        given = door.valid(wire.ConnectorPatchIn, request)
        config = wire.config_of(given)
        connector = services.connector_update(
            actor=actor_of(request),
            connector_id=connector_id,
            name=given.get("name"),
            config=config or None,
            secret=given.get("secret_key", ""),
            schedule=given.get("schedule"),
            paused=given.get("paused"),
        )
        return Response(wire.ConnectorOut(connector).data)

    @extend_schema(
        operation_id="connectors_delete", responses={204: None}, summary="Remove a connector"
    )
    def delete(self, request: Request, connector_id: uuid.UUID) -> Response:
        """Remove a connector and the log of its pulls; the rows stay."""
        services.connector_delete(actor=actor_of(request), connector_id=connector_id)
        return Response(status=204)


class ConnectorPulls(TenantApiView):
    """The pulls of a connector."""

    permissions = PERMISSIONS

    @extend_schema(
        operation_id="pulls_list", responses=wire.PullOut(many=True), summary="List pulls"
    )
    def get(self, request: Request, connector_id: uuid.UUID) -> Response:
        """Return a page of pulls, newest first."""
        connector_selectors.connector_get(connector_id)
        pages = Pages()
        found = connector_selectors.pull_list(connector_id)
        rows: list[Any] = list(pages.paginate_queryset(found, request, view=self) or [])
        return pages.get_paginated_response([wire.pull_body(pull) for pull in rows])

    @extend_schema(
        operation_id="pulls_start",
        request=None,
        responses={201: wire.PullOut},
        summary="Pull now",
    )
    def post(self, request: Request, connector_id: uuid.UUID) -> Response:
        """Start a pull; GET it for its progress."""
        connector = connector_selectors.connector_get(connector_id)
        pull = services.pull_start(actor=actor_of(request), connector=connector)
        return Response(wire.pull_body(pull), status=201)


class PullDetail(TenantApiView):
    """One pull."""

    permissions = PERMISSIONS

    @extend_schema(operation_id="pulls_get", responses=wire.PullDetailOut, summary="Get a pull")
    def get(self, request: Request, pull_id: uuid.UUID) -> Response:
        """Return state, progress, counts and the uploads that it brought."""
        del request
        return Response(wire.pull_detail_body(connector_selectors.pull_get(pull_id)))


class PullCancel(TenantApiView):
    """Stopping a pull."""

    permissions = PERMISSIONS

    @extend_schema(
        operation_id="pulls_cancel", request=None, responses=wire.PullOut, summary="Cancel a pull"
    )
    def post(self, request: Request, pull_id: uuid.UUID) -> Response:
        """Stop the pull; what it handed over already stays."""
        pull = services.pull_cancel(actor=actor_of(request), pull_id=pull_id)
        return Response(wire.pull_body(pull))


class PullItems(TenantApiView):
    """What a pull looked at."""

    permissions = PERMISSIONS

    @extend_schema(
        operation_id="pull_items_list",
        responses=wire.ItemOut(many=True),
        summary="List what a pull looked at, and why some of it was skipped",
    )
    def get(self, request: Request, pull_id: uuid.UUID) -> Response:
        """Return a page of items that no later pull looked at, newest first."""
        connector_selectors.pull_get(pull_id)
        pages = Pages()
        found = connector_selectors.item_list(pull_id).order_by("-id")
        rows = pages.paginate_queryset(found, request, view=self)
        return pages.get_paginated_response(wire.ItemOut(rows, many=True).data)


class DatasetRows(TenantApiView):
    """Adding rows without a file."""

    permissions = PERMISSIONS

    @extend_schema(
        operation_id="rows_add",
        request=wire.RowsIn,
        responses=wire.RowsOut,
        summary="Add up to 1,000 rows to a dataset",
    )
    def post(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Add rows; one that the dataset has already adds nothing, a wrong one stops no other."""
        given = door.valid(wire.RowsIn, request)
        added = services.rows_add(
            actor=actor_of(request), dataset_id=dataset_id, rows=given["rows"]
        )
        return Response(wire.rows_body(added))
