"""API of frozen versions."""

from __future__ import annotations

import uuid

from django.http import HttpResponseRedirect
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from modelyard.core import storage
from modelyard.core.http.pagination import Pages
from tenants.api_base import TenantApiView
from tenants.http import actor_of
from training.datasets import lineage, selectors, services
from training.datasets.api import door
from training.datasets.models import ComparisonRow
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

    permissions = {"GET": "data.read", "PATCH": "data.write"}

    @extend_schema(operation_id="versions_get", responses=wire.VersionOut, summary="Get a version")
    def get(self, request: Request, version_id: uuid.UUID) -> Response:
        """Return a version."""
        del request
        return Response(wire.version_body(selectors.version_row(version_id)))

    @extend_schema(
        operation_id="versions_describe",
        request=wire.NotesIn,
        responses=wire.VersionOut,
        summary="Write the notes of a version's data card",
    )
    def patch(self, request: Request, version_id: uuid.UUID) -> Response:
        """Set the notes; the rows stay as they are."""
        given = door.valid(wire.NotesIn, request)
        version = services.version_describe(
            actor=actor_of(request), version_id=version_id, notes=given["notes"]
        )
        return Response(wire.version_body(version))


class VersionCancel(TenantApiView):
    """Stopping a freeze."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="versions_cancel",
        request=None,
        responses=wire.VersionOut,
        summary="Stop freezing a version",
    )
    def post(self, request: Request, version_id: uuid.UUID) -> Response:
        """Stop it; nothing of it stays but its number."""
        version = services.version_cancel(actor=actor_of(request), version_id=version_id)
        return Response(wire.version_body(version))


class VersionUses(TenantApiView):
    """What was made from a version."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="versions_uses",
        responses=wire.UsesOut,
        summary="List what was made from a version",
    )
    def get(self, request: Request, version_id: uuid.UUID) -> Response:
        """Return runs, models and deployments; read this before you delete."""
        del request
        version = selectors.version_row(version_id)
        return Response({"data": wire.UseOut(lineage.version_uses(version.pk), many=True).data})


class VersionDelete(TenantApiView):
    """Deleting a version."""

    permissions = {"POST": "data.delete"}

    @extend_schema(
        operation_id="versions_delete",
        request=wire.DeleteIn,
        responses=wire.VersionOut,
        summary="Delete a version's rows and files for good",
    )
    def post(self, request: Request, version_id: uuid.UUID) -> Response:
        """Delete it; hash and counts stay, so that models can say what they were trained on."""
        given = door.valid(wire.DeleteIn, request)
        version = services.version_delete(
            actor=actor_of(request), version_id=version_id, name=given["name"]
        )
        return Response(wire.version_body(version))


class VersionRestore(TenantApiView):
    """Restoring a version."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="versions_restore",
        request=None,
        responses={201: wire.RestoreOut},
        summary="Make the dataset's labelled rows those of a version again",
    )
    def post(self, request: Request, version_id: uuid.UUID) -> Response:
        """Order the change; it can be undone."""
        change = services.version_restore(actor=actor_of(request), version_id=version_id)
        body = {"change_id": change.pk, "status": change.status}
        return Response(wire.RestoreOut(body).data, status=201)


class VersionRows(TenantApiView):
    """The rows of a version as a file."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="versions_rows",
        responses={302: OpenApiResponse(description="To the Parquet file")},
        summary="Download a version's rows",
    )
    def get(self, request: Request, version_id: uuid.UUID) -> HttpResponseRedirect:
        """Redirect to the file."""
        del request
        facts = selectors.version_get(version_id)
        name = f"{facts.dataset_name} v{facts.number}.parquet"
        return HttpResponseRedirect(storage.presign_get(facts.rows_key, filename=name))


class VersionCompare(TenantApiView):
    """Comparing a version."""

    permissions = {"POST": "data.read"}

    @extend_schema(
        operation_id="versions_compare",
        request=wire.ComparisonIn,
        responses={201: wire.ComparisonOut},
        summary="Compare a version with another, or with the rows of today",
    )
    def post(self, request: Request, version_id: uuid.UUID) -> Response:
        """Order the comparison; GET it until its status is `done`."""
        given = door.valid(wire.ComparisonIn, request)
        comparison = services.comparison_start(
            actor=actor_of(request), before_id=version_id, after_id=given.get("with_version")
        )
        return Response(wire.ComparisonOut(comparison).data, status=201)


class ComparisonDetail(TenantApiView):
    """One comparison."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="comparisons_get", responses=wire.ComparisonOut, summary="Get a comparison"
    )
    def get(self, request: Request, comparison_id: uuid.UUID) -> Response:
        """Return how far it is, and its counts."""
        del request
        return Response(wire.ComparisonOut(selectors.comparison_get(comparison_id)).data)


class ComparisonRows(TenantApiView):
    """The rows that differ."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="comparisons_rows",
        responses=wire.ComparisonRowOut(many=True),
        summary="List rows that differ",
    )
    def get(self, request: Request, comparison_id: uuid.UUID) -> Response:
        """Return a page; of each kind the first 5,000 rows are here, all in the files."""
        comparison = selectors.comparison_get(comparison_id)
        pages = Pages()
        rows = ComparisonRow.objects.filter(comparison=comparison).order_by("-id")
        page = pages.paginate_queryset(rows, request, view=self)
        return pages.get_paginated_response(wire.ComparisonRowOut(page, many=True).data)


class DatasetWords(TenantApiView):
    """A dataset's word list for augmentation."""

    permissions = door.READ_WRITE

    @extend_schema(operation_id="words_get", responses=wire.WordsOut, summary="Get the word list")
    def get(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Return the words and their replacements."""
        del request
        selectors.dataset_get(dataset_id)
        return Response({"words": selectors.words_get(dataset_id)})

    @extend_schema(
        operation_id="words_set",
        request=wire.WordsIn,
        responses=wire.WordsOut,
        summary="Replace the word list",
    )
    def post(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Replace it by one of CSV; an empty one removes it."""
        given = door.valid(wire.WordsIn, request)
        words = services.words_set(
            actor=actor_of(request), dataset_id=dataset_id, text=given["csv"]
        )
        return Response({"words": words})


class ExampleDetail(TenantApiView):
    """One row and where it went."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="examples_get",
        responses=wire.LineageOut,
        summary="Get a row, its versions and splits, and what learnt from it",
    )
    def get(self, request: Request, example_id: uuid.UUID) -> Response:
        """Return a row, removed or not."""
        del request
        example, placings = lineage.example_placings(example_id)
        body = {
            "id": example.pk,
            "dataset_id": example.dataset_id,
            "text": example.text,
            "label": example.label,
            "removed": example.removed_in is not None,
            "versions": placings,
        }
        return Response(wire.LineageOut(body).data)
