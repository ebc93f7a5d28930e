"""API of a dataset's map, and of rows that were chosen on it."""

from __future__ import annotations

import uuid

from django.http import HttpResponseRedirect
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from modelyard.core import storage
from tenants.api_base import TenantApiView
from tenants.http import actor_of
from training.datasets import checking, mapped, services
from training.datasets.api import door
from training.datasets.models import Map
from training.datasets.wire import maps as wire


class DatasetMap(TenantApiView):
    """The map of a dataset."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="maps_get", responses=wire.MapOut, summary="Get the map of a dataset"
    )
    def get(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Return how far a map is, and what the newest finished one shows."""
        del request
        return Response(_body(mapped.map_get(dataset_id)))

    @extend_schema(
        operation_id="maps_start",
        request=None,
        responses={202: wire.MapOut},
        summary="Make a map of a dataset",
    )
    def post(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Lay the rows out; GET until its status is `done`, then its points."""
        found = services.map_start(actor=actor_of(request), dataset_id=dataset_id)
        return Response(_body(found), status=202)

    @extend_schema(
        operation_id="maps_cancel",
        request=None,
        responses=wire.MapOut,
        summary="Cancel the making of a map",
    )
    def delete(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Stop making a map; the former one stays."""
        found = services.map_cancel(actor=actor_of(request), dataset_id=dataset_id)
        return Response(_body(found))


def _body(found: Map) -> dict[str, object]:
    return wire.map_body(found, checking.rows_mark(found.dataset_id))


class MapPoints(TenantApiView):
    """The points of a map."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="maps_points",
        responses={302: OpenApiResponse(description="To the points, in columns of bytes")},
        summary="Download the points of a map",
    )
    def get(self, request: Request, dataset_id: uuid.UUID) -> HttpResponseRedirect:
        """Redirect to the points of the newest finished map."""
        del request
        key = mapped.points_key(dataset_id)
        return HttpResponseRedirect(storage.presign_get(key, filename="map.bin"))


class DatasetPicks(TenantApiView):
    """Rows that were chosen on a map."""

    permissions = {"POST": "data.read"}

    @extend_schema(
        operation_id="picks_create",
        request=wire.PickIn,
        responses={201: wire.PickOut},
        summary="Keep chosen rows under an id, for a filter or a change",
    )
    def post(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Keep the ids of rows; no row is changed."""
        given = door.valid(wire.PickIn, request)
        pick = services.pick_create(actor=actor_of(request), dataset_id=dataset_id, **given)
        return Response(wire.pick_body(pick), status=201)
