"""API of data rights: exports, and the deletion of the workspace."""

from __future__ import annotations

import uuid

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from modelyard.core.errors import Forbidden, NotFound
from modelyard.core.http.pagination import Pages
from modelyard.core.http.serializers import BodySerializer
from tenants.api_base import TenantApiView
from tenants.http import actor_of, plain, tenant_of
from tenants.identity.fresh import is_fresh
from tenants.rights import selectors, views
from tenants.rights.models import Deletion, Export
from tenants.rights.services import deletions, exports


class ExportOut(serializers.Serializer[object]):
    """An archive of everything the workspace has."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=Export.Status.values)
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True, help_text="When it is removed.")
    phase = serializers.CharField(help_text="`tables`, `objects`, `finishing`, or empty.")
    item = serializers.CharField(help_text="The table or file that is written now.")
    step = serializers.IntegerField()
    steps = serializers.IntegerField()
    percent = serializers.IntegerField()
    eta_seconds = serializers.FloatField(allow_null=True)
    bytes = serializers.IntegerField()
    tables = serializers.DictField(child=serializers.IntegerField(), help_text="Table to rows.")
    files = serializers.IntegerField()
    error_code = serializers.CharField()
    error = serializers.CharField()


class LinkOut(serializers.Serializer[object]):
    """Where the archive is, for a few minutes."""

    url = serializers.URLField()
    seconds = serializers.IntegerField()


class DeletionIn(BodySerializer):
    """Proof that the workspace is meant."""

    name = serializers.CharField(max_length=120, help_text="The name of the workspace.")


class DeletionOut(serializers.Serializer[object]):
    """The deletion of the workspace."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=Deletion.Status.values)
    requested_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField(help_text="Until then it can be cancelled.")


def _shown(row: Export) -> dict[str, object]:
    return dict(ExportOut(views.export_shown(row)).data)


class ExportList(TenantApiView):
    """The workspace's exports."""

    permissions = {"GET": "data.export", "POST": "data.export"}

    @extend_schema(
        operation_id="exports_list", responses=ExportOut(many=True), summary="List exports"
    )
    def get(self, request: Request) -> Response:
        """Return a page of exports, newest first."""
        pages = Pages()
        rows = pages.paginate_queryset(selectors.export_list(), request, view=self) or []
        return pages.get_paginated_response([_shown(row) for row in rows])

    @extend_schema(
        operation_id="exports_create",
        request=None,
        responses={201: ExportOut},
        summary="Export everything the workspace has",
    )
    def post(self, request: Request) -> Response:
        """Order an archive; a job writes it."""
        row = exports.export_request(actor=actor_of(request))
        return Response(_shown(row), status=201)


class ExportDetail(TenantApiView):
    """One export."""

    permissions = {"GET": "data.export", "DELETE": "data.export"}

    @extend_schema(operation_id="exports_get", responses=ExportOut, summary="Get an export")
    def get(self, request: Request, export_id: uuid.UUID) -> Response:
        """Return how far it is."""
        del request
        return Response(_shown(selectors.export_get(export_id)))

    @extend_schema(
        operation_id="exports_cancel", responses={200: ExportOut}, summary="Cancel an export"
    )
    def delete(self, request: Request, export_id: uuid.UUID) -> Response:
        """Stop it; nothing of it is kept."""
        return Response(_shown(exports.export_cancel(actor=actor_of(request), export_id=export_id)))


class ExportLink(TenantApiView):
    """The address of one archive."""

    permissions = {"GET": "data.export"}

    @extend_schema(
        operation_id="exports_link", responses=LinkOut, summary="Get an export's address"
    )
    def get(self, request: Request, export_id: uuid.UUID) -> Response:
        """Return an address that downloads the archive for five minutes."""
        url = exports.export_link(actor=actor_of(request), export_id=export_id)
        return Response({"url": url, "seconds": exports.LINK_SECONDS})


class WorkspaceDeletion(TenantApiView):
    """The deletion of the workspace: an owner's, never a key's."""

    permissions = {
        "GET": "workspace.delete",
        "POST": "workspace.delete",
        "DELETE": "workspace.delete",
    }

    @extend_schema(
        operation_id="deletion_get", responses=DeletionOut, summary="Get the scheduled deletion"
    )
    def get(self, request: Request) -> Response:
        """Return the deletion that is scheduled."""
        row = selectors.deletion_open(tenant_of(request).pk)
        if row is None:
            raise NotFound(_("No deletion of this workspace is scheduled."), code="deletion_absent")
        return Response(DeletionOut(row).data)

    @extend_schema(
        operation_id="deletion_request",
        request=DeletionIn,
        responses={201: DeletionOut},
        summary="Delete the workspace after the days of grace",
    )
    def post(self, request: Request) -> Response:
        """Schedule it; the owners get a mail and can cancel."""
        given = DeletionIn(data=request.data)
        given.is_valid(raise_exception=True)
        actor = actor_of(request)
        if actor.kind == "user" and not is_fresh(plain(request)):
            raise Forbidden(
                _("Sign in again first: this needs a sign-in that is minutes old."),
                code="reauthentication_needed",
            )
        row = deletions.deletion_request(actor=actor, typed_name=given.validated_data["name"])
        return Response(DeletionOut(row).data, status=201)

    @extend_schema(
        operation_id="deletion_cancel", responses={200: DeletionOut}, summary="Cancel the deletion"
    )
    def delete(self, request: Request) -> Response:
        """Keep the workspace."""
        return Response(DeletionOut(deletions.deletion_cancel(actor=actor_of(request))).data)
