"""Addresses of datasets, uploads and versions."""

from __future__ import annotations

from django.urls import URLPattern, path

from training.datasets import api as views
from training.datasets import web

_ONE = "datasets/<uuid:dataset_id>"
_UPLOAD = f"{_ONE}/imports/<uuid:upload_id>"
pages: list[URLPattern] = [
    path("datasets/", web.dataset_list, name="list"),
    path("datasets/new", web.dataset_new, name="new"),
    path(f"{_ONE}/", web.dataset_detail, name="detail"),
    path(f"{_ONE}/rows", web.dataset_rows, name="rows"),
    path(f"{_ONE}/freeze", web.dataset_freeze, name="freeze"),
    path(f"{_ONE}/import", web.import_upload, name="import"),
    path(f"{_UPLOAD}/", web.import_map, name="map"),
    path(f"{_UPLOAD}/inspect", web.import_inspect, name="inspect"),
    path(f"{_UPLOAD}/progress", web.import_progress, name="import_progress"),
    path(f"{_UPLOAD}/abandon", web.import_abandon, name="abandon"),
    path(f"{_UPLOAD}/rejects", web.import_rejects, name="rejects"),
]
api: list[URLPattern] = [
    path("datasets", views.DatasetList.as_view(), name="datasets"),
    path(_ONE, views.DatasetDetail.as_view(), name="dataset"),
    path(f"{_ONE}/examples", views.DatasetExamples.as_view(), name="dataset-examples"),
    path(f"{_ONE}/uploads", views.DatasetUploads.as_view(), name="dataset-uploads"),
    path(f"{_ONE}/versions", views.DatasetVersions.as_view(), name="dataset-versions"),
    path("uploads/<uuid:upload_id>", views.UploadDetail.as_view(), name="upload"),
    path("uploads/<uuid:upload_id>/parts", views.UploadParts.as_view(), name="upload-parts"),
    path("uploads/<uuid:upload_id>/finish", views.UploadFinish.as_view(), name="upload-finish"),
    path("uploads/<uuid:upload_id>/abandon", views.UploadAbandon.as_view(), name="upload-abandon"),
    path("uploads/<uuid:upload_id>/inspect", views.UploadInspect.as_view(), name="upload-inspect"),
    path("uploads/<uuid:upload_id>/import", views.UploadImport.as_view(), name="upload-import"),
    path("uploads/<uuid:upload_id>/rejects", views.UploadRejects.as_view(), name="upload-rejects"),
    path("versions/<uuid:version_id>", views.VersionDetail.as_view(), name="version"),
]
