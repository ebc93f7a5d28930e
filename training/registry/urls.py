"""Addresses of models and their versions."""

from __future__ import annotations

from django.urls import URLPattern, path

from training.registry import api as views
from training.registry import web

_VERSION = "model-versions/<uuid:version_id>"
pages: list[URLPattern] = [
    path("models/", web.model_list, name="list"),
    path("models/<uuid:model_id>/", web.model_detail, name="detail"),
    path(f"{_VERSION}/files/<str:name>", web.version_file, name="file"),
]
api: list[URLPattern] = [
    path("models", views.ModelList.as_view(), name="models"),
    path("models/<uuid:model_id>", views.ModelDetail.as_view(), name="model"),
    path("models/<uuid:model_id>/versions", views.ModelVersions.as_view(), name="model-versions"),
    path("model-versions", views.VersionList.as_view(), name="versions-of-all"),
    path(_VERSION, views.VersionDetail.as_view(), name="model-version"),
    path(f"{_VERSION}/files", views.VersionFiles.as_view(), name="model-version-files"),
    path(f"{_VERSION}/archive", views.VersionArchive.as_view(), name="model-version-archive"),
]
