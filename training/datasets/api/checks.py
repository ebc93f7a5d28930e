"""API of a dataset's health."""

from __future__ import annotations

import uuid

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.api_base import TenantApiView
from tenants.http import actor_of
from training.datasets import checking, selectors, services
from training.datasets.api import door
from training.datasets.wire import checks as wire


class DatasetChecks(TenantApiView):
    """The checks of a dataset's health."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="checks_list", responses=wire.ChecksOut, summary="List health checks"
    )
    def get(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Return every check that was ever run, with its newest result."""
        del request
        selectors.dataset_get(dataset_id)
        return Response(_body(dataset_id))

    @extend_schema(
        operation_id="checks_run",
        request=wire.ChecksIn,
        responses={202: wire.ChecksOut},
        summary="Run health checks",
    )
    def post(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Run the checks; GET until their status is `done`."""
        given = door.valid(wire.ChecksIn, request)
        services.checks_start(actor=actor_of(request), dataset_id=dataset_id, **given)
        return Response(_body(dataset_id), status=202)

    @extend_schema(
        operation_id="checks_cancel",
        request=None,
        responses={200: wire.ChecksOut},
        summary="Cancel health checks",
    )
    def delete(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Stop the checks that wait or run."""
        services.checks_cancel(actor=actor_of(request), dataset_id=dataset_id)
        return Response(_body(dataset_id))


def _body(dataset_id: uuid.UUID) -> dict[str, object]:
    mark = checking.rows_mark(dataset_id)
    return wire.checks_body(checking.check_list(dataset_id), mark)
