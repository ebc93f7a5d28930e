"""API of models and their versions."""

from __future__ import annotations

import uuid

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from modelyard.core.http.pagination import Pages
from tenants.api_base import TenantApiView
from tenants.http import actor_of
from training.engine.artifact import MANIFEST
from training.registry import artifacts, selectors, services


class ModelOut(serializers.Serializer[object]):
    """A model: a named line of versions."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    task = serializers.CharField()
    created_at = serializers.DateTimeField()


class ModelVersionOut(serializers.Serializer[object]):
    """A version: figures, lineage, and the hash of its manifest."""

    id = serializers.UUIDField()
    model_id = serializers.UUIDField()
    model_name = serializers.CharField(source="model.name")
    number = serializers.IntegerField()
    status = serializers.CharField()
    labels = serializers.ListField(child=serializers.CharField())
    metrics = serializers.JSONField()
    dataset_version_id = serializers.UUIDField()
    run_id = serializers.UUIDField()
    base = serializers.CharField()
    spec = serializers.JSONField()
    engine_version = serializers.CharField()
    manifest_sha256 = serializers.CharField()
    bytes = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class FileOut(serializers.Serializer[object]):
    """A file of the artifact with a link that downloads it for ten minutes."""

    name = serializers.CharField()
    bytes = serializers.IntegerField(allow_null=True)
    sha256 = serializers.CharField()
    url = serializers.URLField()


class FilesOut(serializers.Serializer[object]):
    """All files of the artifact."""

    files = FileOut(many=True)


class ModelList(TenantApiView):
    """The workspace's models."""

    permissions = {"GET": "models.read"}

    @extend_schema(operation_id="models_list", responses=ModelOut(many=True), summary="List models")
    def get(self, request: Request) -> Response:
        """Return a page of models, newest first."""
        pages = Pages()
        rows = pages.paginate_queryset(selectors.model_list(), request, view=self)
        return pages.get_paginated_response(ModelOut(rows, many=True).data)


class ModelDetail(TenantApiView):
    """One model."""

    permissions = {"GET": "models.read"}

    @extend_schema(operation_id="models_get", responses=ModelOut, summary="Get a model")
    def get(self, request: Request, model_id: uuid.UUID) -> Response:
        """Return the model."""
        del request
        return Response(ModelOut(selectors.model_get(model_id)).data)


class ModelVersions(TenantApiView):
    """The versions of a model."""

    permissions = {"GET": "models.read"}

    @extend_schema(
        operation_id="models_versions",
        responses=ModelVersionOut(many=True),
        summary="List a model's versions",
    )
    def get(self, request: Request, model_id: uuid.UUID) -> Response:
        """Return a page of versions, newest first."""
        model = selectors.model_get(model_id)
        pages = Pages()
        rows = pages.paginate_queryset(selectors.version_list(model.pk), request, view=self)
        return pages.get_paginated_response(ModelVersionOut(rows, many=True).data)


class VersionList(TenantApiView):
    """The versions of all models."""

    permissions = {"GET": "models.read"}

    @extend_schema(
        operation_id="model_versions_list",
        responses=ModelVersionOut(many=True),
        summary="List the versions of all models",
    )
    def get(self, request: Request) -> Response:
        """Return a page of versions, newest first."""
        pages = Pages()
        rows = pages.paginate_queryset(selectors.version_list(), request, view=self)
        return pages.get_paginated_response(ModelVersionOut(rows, many=True).data)


class VersionDetail(TenantApiView):
    """One model version."""

    permissions = {"GET": "models.read"}

    @extend_schema(
        operation_id="model_versions_get", responses=ModelVersionOut, summary="Get a model version"
    )
    def get(self, request: Request, version_id: uuid.UUID) -> Response:
        """Return the version."""
        del request
        return Response(ModelVersionOut(selectors.version_get(version_id)).data)


class VersionFiles(TenantApiView):
    """The files of a model version."""

    permissions = {"GET": "models.read"}

    @extend_schema(
        operation_id="model_versions_files",
        responses=FilesOut,
        summary="Get links to a model version's files",
    )
    def get(self, request: Request, version_id: uuid.UUID) -> Response:
        """Return each file with its size, hash and link."""
        del request
        version = selectors.version_get(version_id)
        facts = selectors.facts_of(version)
        manifest = {"name": MANIFEST, "bytes": None, "sha256": version.manifest_sha256}
        files = [
            {**file, "url": artifacts.file_url(facts, file["name"])}
            for file in [*version.files, manifest]
        ]
        return Response(FilesOut({"files": files}).data)


class VersionArchive(TenantApiView):
    """Putting a model version away."""

    permissions = {"POST": "models.write"}

    @extend_schema(
        operation_id="model_versions_archive",
        request=None,
        responses=ModelVersionOut,
        summary="Archive a model version",
    )
    def post(self, request: Request, version_id: uuid.UUID) -> Response:
        """Archive it: its files stay, new deployments of it are refused."""
        version = services.version_archive(actor=actor_of(request), version_id=version_id)
        return Response(ModelVersionOut(version).data)
