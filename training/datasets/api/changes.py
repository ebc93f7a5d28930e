"""API of changes: fixes and bulk actions on rows, undoable."""

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
from training.datasets.wire import changes as wire


class DatasetChanges(TenantApiView):
    """The changes of a dataset's rows."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="changes_list", responses=wire.ChangeOut(many=True), summary="List changes"
    )
    def get(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Return a page of changes, newest first."""
        selectors.dataset_get(dataset_id)
        pages = Pages()
        rows = pages.paginate_queryset(selectors.change_list(dataset_id), request, view=self)
        return pages.get_paginated_response(wire.ChangeOut(rows, many=True).data)

    @extend_schema(
        operation_id="changes_create",
        request=wire.ChangeIn,
        responses={201: wire.ChangeOut},
        summary="Change rows",
    )
    def post(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Change the chosen rows; GET the change until its status is `done`."""
        given = door.valid(wire.ChangeIn, request)
        change = services.change_start(actor=actor_of(request), dataset_id=dataset_id, **given)
        return Response(wire.ChangeOut(change).data, status=201)


class ChangeDetail(TenantApiView):
    """One change."""

    permissions = door.READ_WRITE

    @extend_schema(operation_id="changes_get", responses=wire.ChangeOut, summary="Get a change")
    def get(self, request: Request, change_id: uuid.UUID) -> Response:
        """Return a change and how far it is."""
        del request
        return Response(wire.ChangeOut(selectors.change_get(change_id)).data)


class ChangeUndo(TenantApiView):
    """The undoing of one change."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="changes_undo",
        request=None,
        responses={200: wire.ChangeOut},
        summary="Undo a change",
    )
    def post(self, request: Request, change_id: uuid.UUID) -> Response:
        """Undo a change, or stop it and undo what it did; GET it until it is `undone`."""
        change = services.change_undo(actor=actor_of(request), change_id=change_id)
        return Response(wire.ChangeOut(change).data)
