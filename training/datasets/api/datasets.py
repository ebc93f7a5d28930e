"""API of datasets and their examples."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from modelyard.core.http.pagination import Pages
from modelyard.core.http.serializers import unknown_field
from tenants.api_base import TenantApiView
from tenants.http import actor_of
from training.datasets import checking, deleted, finding, selectors, services
from training.datasets.api import door
from training.datasets.wire import datasets as wire


class DatasetList(TenantApiView):
    """The workspace's datasets."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="datasets_list", responses=wire.DatasetOut(many=True), summary="List datasets"
    )
    def get(self, request: Request) -> Response:
        """Return a page of datasets, newest first."""
        pages = Pages()
        rows = pages.paginate_queryset(selectors.dataset_list(), request, view=self)
        return pages.get_paginated_response(wire.DatasetOut(rows, many=True).data)

    @extend_schema(
        operation_id="datasets_create",
        request=wire.DatasetIn,
        responses={201: wire.DatasetDetailOut},
        summary="Make a dataset",
    )
    def post(self, request: Request) -> Response:
        """Make an empty dataset."""
        given = door.valid(wire.DatasetIn, request)
        dataset = services.dataset_create(actor=actor_of(request), name=given["name"])
        return Response(_dataset_body(dataset.pk), status=201)


def _dataset_body(dataset_id: uuid.UUID) -> dict[str, Any]:
    dataset = selectors.dataset_get(dataset_id)
    counts = selectors.label_counts(dataset_id)
    findings = selectors.finding_list(dataset_id)
    return {
        **wire.DatasetOut(dataset).data,
        "label_counts": counts,
        "findings": wire.FindingOut(findings, many=True).data,
    }


class DatasetDetail(TenantApiView):
    """One dataset."""

    permissions = door.READ_DELETE

    @extend_schema(
        operation_id="datasets_get", responses=wire.DatasetDetailOut, summary="Get a dataset"
    )
    def get(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Return a dataset with its labels and what to know about it."""
        del request
        return Response(_dataset_body(dataset_id))

    @extend_schema(
        operation_id="datasets_delete",
        request=wire.DatasetDeleteIn,
        responses={202: wire.DatasetDeletionOut},
        summary="Delete a dataset",
    )
    def delete(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Delete a dataset for good; GET the deletion until its status is `done`."""
        given = door.valid(wire.DatasetDeleteIn, request)
        deletion = services.dataset_delete(
            actor=actor_of(request), dataset_id=dataset_id, name=given["name"]
        )
        return Response(wire.DatasetDeletionOut(deletion).data, status=202)


class DeletionDetail(TenantApiView):
    """The deletion of a dataset."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="deletions_get", responses=wire.DatasetDeletionOut, summary="Get a deletion"
    )
    def get(self, request: Request, deletion_id: uuid.UUID) -> Response:
        """Return how far a deletion is."""
        del request
        return Response(wire.DatasetDeletionOut(deleted.deletion_get(deletion_id)).data)


class RowPages(Pages):
    """Pages of rows that a check may point at."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        """Return a page of rows."""
        if isinstance(queryset, checking.Pointed):
            cursor = self.decode_cursor(request)
            edge = uuid.UUID(str(cursor.position)) if cursor and cursor.position else None
            most = self.get_page_size(request) + 1
            back = cursor is not None and cursor.reverse
            queryset = queryset.page(edge, most, ascending=back)
        return super().paginate_queryset(queryset, request, view=view)


class DatasetExamples(TenantApiView):
    """The rows of a dataset."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="examples_list",
        parameters=[wire.ExamplesIn],
        responses=wire.ExampleOut(many=True),
        summary="List examples",
    )
    def get(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Return a page of the examples that match, newest first.

        Those of a check are refused (409) until it is done, and when rows changed since.
        """
        selectors.dataset_get(dataset_id)
        asked = _filters(request)
        if "flagged" in asked:
            checking.check_require(dataset_id, asked["flagged"])
        pages = RowPages()
        rows = pages.paginate_queryset(finding.matching(dataset_id, asked), request, view=self)
        return pages.get_paginated_response(wire.ExampleOut(rows, many=True).data)


def _filters(request: Request) -> dict[str, str]:
    """Return the filters of an address; one that is not known would let every row through."""
    given = request.query_params.dict()
    refusal = unknown_field(given, [*finding.NAMES, "limit", "cursor"])
    if refusal is not None:
        raise refusal
    asked = wire.ExamplesIn(data=given)
    asked.is_valid(raise_exception=True)
    return {name: str(value) for name, value in asked.validated_data.items()}
