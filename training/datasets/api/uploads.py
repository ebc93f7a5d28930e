"""API of uploads: send a file, look at it, import it."""

from __future__ import annotations

import uuid

from django.http import HttpResponseRedirect
from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from modelyard.core import storage
from tenants.api_base import TenantApiView
from tenants.http import actor_of, tenant_of
from tenants.scoping.context import tenant_scope
from training.datasets import selectors, services
from training.datasets.api import door
from training.datasets.models import Upload
from training.datasets.types import Arrived
from training.datasets.wire import uploads as wire

SIGNED_AT_START = 100


GUESSED = ("encoding", "delimiter", "header")


class DatasetUploads(TenantApiView):
    """Opening an upload."""

    permissions = door.READ_WRITE
    long_lived = True

    @extend_schema(
        operation_id="uploads_start",
        request=wire.UploadIn,
        responses={
            200: OpenApiResponse(wire.UploadStartedOut, "The same file's upload that hasn't ended"),
            201: wire.UploadStartedOut,
        },
        summary="Start an upload, or go on with one: get URLs to PUT the parts of a file to",
    )
    def post(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Open a multipart upload, or find the open one of the same file, and sign its parts."""
        given = door.valid(wire.UploadIn, request)
        file = {
            "dataset_id": dataset_id,
            "filename": given["filename"],
            "size": given["bytes"],
            "fingerprint": given.get("fingerprint", ""),
        }
        actor = actor_of(request)
        found = services.upload_resume(actor=actor, **file)
        if found is not None:
            with self.work(request) as keep:
                return keep(_started(request, *found, status=200))
        with services.upload_open(actor=actor, **file) as opened, self.work(request) as keep:
            upload = services.upload_record(actor=actor, opened=opened)
            arrived = services.upload_empty(upload)
            return keep(_started(request, upload, arrived, status=201))


def _started(request: Request, upload: Upload, arrived: Arrived, *, status: int) -> Response:
    """Answer with an open upload and signed URLs for the first parts that are missing."""
    there = frozenset(arrived.numbers)
    missing = [n for n in range(1, arrived.part_count + 1) if n not in there][:SIGNED_AT_START]
    sign = services.upload_parts
    body = {
        **wire.arrived_body(arrived),
        "id": upload.pk,
        "status": upload.status,
        "resumed": status == 200,
        "parts": sign(actor=actor_of(request), upload=upload, numbers=missing) if missing else [],
        "parts_url": door.address(request, "upload-parts", upload_id=upload.pk),
        "finish_url": door.address(request, "upload-finish", upload_id=upload.pk),
        "abort_url": door.address(request, "upload-abandon", upload_id=upload.pk),
    }
    return Response(wire.UploadStartedOut(body).data, status=status)


def _abandon(view: TenantApiView, request: Request, upload_id: uuid.UUID) -> Response:
    """Abandon an upload and answer.

    The answer is kept after the store was cleaned: a repeat of a request that failed there cleans
    again, and changes no row a second time.
    """
    upload = services.upload_abandon(actor=actor_of(request), upload_id=upload_id)
    with view.work(request) as keep:
        return keep(Response(wire.upload_body(upload)))


class UploadDetail(TenantApiView):
    """One upload."""

    permissions = door.READ_WRITE
    long_lived = True

    @extend_schema(operation_id="uploads_get", responses=wire.UploadOut, summary="Get an upload")
    def get(self, request: Request, upload_id: uuid.UUID) -> Response:
        """Return state, preview, mapping, progress, counts and rejected rows."""
        with tenant_scope(actor_of(request).tenant_id):
            return Response(wire.upload_body(selectors.upload_get(upload_id)))

    @extend_schema(
        operation_id="uploads_delete",
        responses={200: wire.UploadOut},
        summary="Abandon an upload",
    )
    def delete(self, request: Request, upload_id: uuid.UUID) -> Response:
        """Stop the upload or import; nothing of it stays."""
        return _abandon(self, request, upload_id)


class UploadAbandon(TenantApiView):
    """Abandon an upload by POST, for browsers."""

    permissions = door.READ_WRITE
    long_lived = True

    @extend_schema(
        operation_id="uploads_abandon",
        request=None,
        responses=wire.UploadOut,
        summary="Abandon an upload",
    )
    def post(self, request: Request, upload_id: uuid.UUID) -> Response:
        """Stop the upload or import; nothing of it stays."""
        return _abandon(self, request, upload_id)


class UploadParts(TenantApiView):
    """The parts of an open upload: which have arrived, and where to PUT others."""

    permissions = door.READ_WRITE
    long_lived = True

    @extend_schema(
        operation_id="uploads_arrived",
        responses=wire.ArrivedOut,
        summary="See which parts of an open upload have arrived",
    )
    def get(self, request: Request, upload_id: uuid.UUID) -> Response:
        """Ask the store what it has."""
        actor = actor_of(request)
        with tenant_scope(actor.tenant_id):
            upload = selectors.upload_get(upload_id)
        arrived = services.upload_arrived(actor=actor, upload=upload)
        return Response(wire.ArrivedOut(wire.arrived_body(arrived)).data)

    @extend_schema(
        operation_id="uploads_parts",
        request=wire.PartsIn,
        responses=wire.PartsOut,
        summary="Get fresh URLs for parts",
    )
    def post(self, request: Request, upload_id: uuid.UUID) -> Response:
        """Return URLs for the given part numbers; they hold for an hour."""
        given = door.valid(wire.PartsIn, request)
        with self.work(request) as keep:
            upload = selectors.upload_get(upload_id)
            parts = services.upload_parts(
                actor=actor_of(request), upload=upload, numbers=given["numbers"]
            )
            return keep(Response(wire.PartsOut({"parts": parts}).data))


class UploadFinish(TenantApiView):
    """All parts have arrived."""

    permissions = door.READ_WRITE
    long_lived = True

    @extend_schema(
        operation_id="uploads_finish",
        request=None,
        responses=wire.UploadOut,
        summary="Finish an upload: join its parts and look at the file",
    )
    def post(self, request: Request, upload_id: uuid.UUID) -> Response:
        """Join the parts; safe to repeat."""
        actor = actor_of(request)
        services.upload_join(actor=actor, upload_id=upload_id)
        with self.work(request) as keep:
            upload = services.upload_received(actor=actor, upload_id=upload_id)
            slug = tenant_of(request).slug
            page = reverse("datasets:map", args=[slug, upload.dataset_id, upload.pk])
            return keep(Response(wire.upload_body(upload, next_url=page)))


class UploadInspect(TenantApiView):
    """Look at a file again."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="uploads_inspect",
        request=wire.InspectIn,
        responses=wire.UploadOut,
        summary="Read the file again with another encoding, delimiter or header",
    )
    def post(self, request: Request, upload_id: uuid.UUID) -> Response:
        """Read the start of the file again."""
        given = door.valid(wire.InspectIn, request)
        upload = services.upload_inspect_again(
            actor=actor_of(request), upload_id=upload_id, **given
        )
        return Response(wire.upload_body(upload))


class UploadImport(TenantApiView):
    """Import a file whose columns are known."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="uploads_import",
        request=wire.ImportIn,
        responses=wire.UploadOut,
        summary="Import the file with these columns",
    )
    def post(self, request: Request, upload_id: uuid.UUID) -> Response:
        """Start the import; GET the upload for its progress."""
        given = door.valid(wire.ImportIn, request)
        upload = services.import_start(
            actor=actor_of(request),
            upload_id=upload_id,
            text=given["text"],
            label=given.get("label"),
            reading={name: given[name] for name in (*GUESSED, "keep") if name in given},
        )
        return Response(wire.upload_body(upload))


class UploadRejects(TenantApiView):
    """The rejected rows as a file."""

    permissions = door.READ_WRITE

    @extend_schema(
        operation_id="uploads_rejects",
        responses={302: OpenApiResponse(description="To the CSV: line, column, reason, value")},
        summary="Download the rejected rows",
    )
    def get(self, request: Request, upload_id: uuid.UUID) -> HttpResponseRedirect:
        """Redirect to the file."""
        del request
        key = selectors.rejects_key(upload_id)
        return HttpResponseRedirect(
            storage.presign_get(key, filename=f"rejected-rows-{upload_id}.csv")
        )
