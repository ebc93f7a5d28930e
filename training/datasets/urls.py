"""Addresses of datasets, uploads and versions."""

from __future__ import annotations

from django.urls import URLPattern, path

from training.datasets.api import changes as change_api
from training.datasets.api import checks as check_api
from training.datasets.api import connectors as connector_api
from training.datasets.api import datasets as data_api
from training.datasets.api import exports as export_api
from training.datasets.api import maps as map_api
from training.datasets.api import uploads as upload_api
from training.datasets.api import versions as version_api
from training.datasets.web import (
    changes,
    connectors,
    datasets,
    deletions,
    exports,
    health,
    imports,
    maps,
    rows,
    versions,
)

_ONE = "datasets/<uuid:dataset_id>"
_VERSION = "versions/<uuid:version_id>"
_COMPARISON = "comparisons/<uuid:comparison_id>"
_UPLOAD = f"{_ONE}/imports/<uuid:upload_id>"
_CHANGE = f"{_ONE}/changes/<uuid:change_id>"
_CONNECTOR = f"{_ONE}/connectors/<uuid:connector_id>"
_PULL = f"{_ONE}/pulls/<uuid:pull_id>"
pages: list[URLPattern] = [
    path("datasets/", datasets.dataset_list, name="list"),
    path("datasets/new", datasets.dataset_new, name="new"),
    path("datasets/deletions", deletions.deletion_list, name="deletions"),
    path(
        "datasets/deletions/<uuid:deletion_id>/retry",
        deletions.deletion_retry,
        name="deletion_retry",
    ),
    path(f"{_ONE}/delete", deletions.dataset_delete, name="delete"),
    path(f"{_ONE}/", rows.dataset_detail, name="detail"),
    path(f"{_ONE}/rows", rows.dataset_rows, name="rows"),
    path(f"{_ONE}/versions", versions.version_list, name="versions"),
    path(f"{_ONE}/words", versions.dataset_words, name="words"),
    path(f"{_VERSION}/", versions.version_detail, name="version"),
    path(f"{_VERSION}/card.md", versions.version_card, name="version_card"),
    path(f"{_VERSION}/act", versions.version_act, name="version_act"),
    path(f"{_VERSION}/compare", versions.version_compare, name="version_compare"),
    path(f"{_VERSION}/rows.parquet", versions.version_rows, name="version_rows"),
    path(f"{_COMPARISON}/", versions.comparison_detail, name="comparison"),
    path(
        f"{_COMPARISON}/rows.csv", versions.comparison_file, {"kind": "csv"}, name="comparison_csv"
    ),
    path(
        f"{_COMPARISON}/rows.jsonl",
        versions.comparison_file,
        {"kind": "jsonl"},
        name="comparison_jsonl",
    ),
    path(f"{_ONE}/imports", datasets.dataset_imports, name="imports"),
    path(f"{_ONE}/changes", changes.change_list, name="changes"),
    path(f"{_ONE}/changes/new", changes.change_new, name="change_new"),
    path(f"{_CHANGE}/progress", changes.change_progress, name="change_progress"),
    path(f"{_CHANGE}/undo", changes.change_undo, name="change_undo"),
    path(f"{_ONE}/exports", exports.export_list, name="exports"),
    path(f"{_ONE}/exports/start", exports.export_start, name="export_start"),
    path(f"{_ONE}/exports/<uuid:rows_export_id>/file", exports.export_file, name="export_file"),
    path(f"{_ONE}/health", health.health, name="health"),
    path(f"{_ONE}/health/run", health.health_run, name="health_run"),
    path(f"{_ONE}/health/cancel", health.health_cancel, name="health_cancel"),
    path(f"{_ONE}/health/fix", health.health_fix, name="health_fix"),
    path(f"{_ONE}/health/apply", health.health_apply, name="health_apply"),
    path(f"{_ONE}/health/undo", health.health_undo, name="health_undo"),
    path(f"{_ONE}/map", maps.map_page, name="embedding_map"),
    path(f"{_ONE}/map/progress", maps.map_progress, name="map_progress"),
    path(f"{_ONE}/map/start", maps.map_start, name="map_start"),
    path(f"{_ONE}/map/cancel", maps.map_cancel, name="map_cancel"),
    path(f"{_ONE}/freeze", versions.dataset_freeze, name="freeze"),
    path(f"{_ONE}/import", imports.import_upload, name="import"),
    path(f"{_UPLOAD}/", imports.import_map, name="map"),
    path(f"{_UPLOAD}/inspect", imports.import_inspect, name="inspect"),
    path(f"{_UPLOAD}/progress", imports.import_progress, name="import_progress"),
    path(f"{_UPLOAD}/abandon", imports.import_abandon, name="abandon"),
    path(f"{_UPLOAD}/rejects", imports.import_rejects, name="rejects"),
    path(f"{_ONE}/connectors/", connectors.connector_list, name="connectors"),
    path(f"{_ONE}/connectors/new", connectors.connector_new, name="connector_new"),
    path(f"{_CONNECTOR}/", connectors.connector_detail, name="connector"),
    path(f"{_CONNECTOR}/edit", connectors.connector_edit, name="connector_edit"),
    path(f"{_CONNECTOR}/pull", connectors.connector_pull, name="connector_pull"),
    path(f"{_CONNECTOR}/pause", connectors.connector_pause, name="connector_pause"),
    path(f"{_CONNECTOR}/remove", connectors.connector_remove, name="connector_remove"),
    path(f"{_PULL}/", connectors.pull_detail, name="pull"),
    path(f"{_PULL}/progress", connectors.pull_progress, name="pull_progress"),
    path(f"{_PULL}/cancel", connectors.pull_cancel, name="pull_cancel"),
]
api: list[URLPattern] = [
    path("datasets", data_api.DatasetList.as_view(), name="datasets"),
    path(_ONE, data_api.DatasetDetail.as_view(), name="dataset"),
    path("deletions/<uuid:deletion_id>", data_api.DeletionDetail.as_view(), name="deletion"),
    path(f"{_ONE}/checks", check_api.DatasetChecks.as_view(), name="dataset-checks"),
    path(f"{_ONE}/map", map_api.DatasetMap.as_view(), name="dataset-map"),
    path(f"{_ONE}/map/points", map_api.MapPoints.as_view(), name="dataset-map-points"),
    path(f"{_ONE}/picks", map_api.DatasetPicks.as_view(), name="dataset-picks"),
    path(f"{_ONE}/examples", data_api.DatasetExamples.as_view(), name="dataset-examples"),
    path(f"{_ONE}/changes", change_api.DatasetChanges.as_view(), name="dataset-changes"),
    path("changes/<uuid:change_id>", change_api.ChangeDetail.as_view(), name="change"),
    path("changes/<uuid:change_id>/undo", change_api.ChangeUndo.as_view(), name="change-undo"),
    path(f"{_ONE}/uploads", upload_api.DatasetUploads.as_view(), name="dataset-uploads"),
    path(f"{_ONE}/versions", version_api.DatasetVersions.as_view(), name="dataset-versions"),
    path("uploads/<uuid:upload_id>", upload_api.UploadDetail.as_view(), name="upload"),
    path("uploads/<uuid:upload_id>/parts", upload_api.UploadParts.as_view(), name="upload-parts"),
    path(
        "uploads/<uuid:upload_id>/finish", upload_api.UploadFinish.as_view(), name="upload-finish"
    ),
    path(
        "uploads/<uuid:upload_id>/abandon",
        upload_api.UploadAbandon.as_view(),
        name="upload-abandon",
    ),
    path(
        "uploads/<uuid:upload_id>/inspect",
        upload_api.UploadInspect.as_view(),
        name="upload-inspect",
    ),
    path(
        "uploads/<uuid:upload_id>/import", upload_api.UploadImport.as_view(), name="upload-import"
    ),
    path(
        "uploads/<uuid:upload_id>/rejects",
        upload_api.UploadRejects.as_view(),
        name="upload-rejects",
    ),
    path(_VERSION, version_api.VersionDetail.as_view(), name="version"),
    path(f"{_VERSION}/cancel", version_api.VersionCancel.as_view(), name="version-cancel"),
    path(f"{_VERSION}/uses", version_api.VersionUses.as_view(), name="version-uses"),
    path(f"{_VERSION}/delete", version_api.VersionDelete.as_view(), name="version-delete"),
    path(f"{_VERSION}/restore", version_api.VersionRestore.as_view(), name="version-restore"),
    path(f"{_VERSION}/rows", version_api.VersionRows.as_view(), name="version-rows"),
    path(f"{_VERSION}/compare", version_api.VersionCompare.as_view(), name="version-compare"),
    path(_COMPARISON, version_api.ComparisonDetail.as_view(), name="comparison"),
    path(f"{_COMPARISON}/rows", version_api.ComparisonRows.as_view(), name="comparison-rows"),
    path(f"{_ONE}/words", version_api.DatasetWords.as_view(), name="dataset-words"),
    path("examples/<uuid:example_id>", version_api.ExampleDetail.as_view(), name="example"),
    path(
        f"{_ONE}/connectors", connector_api.DatasetConnectors.as_view(), name="dataset-connectors"
    ),
    path(f"{_ONE}/rows", connector_api.DatasetRows.as_view(), name="dataset-rows"),
    path(
        "connectors/<uuid:connector_id>", connector_api.ConnectorDetail.as_view(), name="connector"
    ),
    path(
        "connectors/<uuid:connector_id>/pulls",
        connector_api.ConnectorPulls.as_view(),
        name="connector-pulls",
    ),
    path("pulls/<uuid:pull_id>", connector_api.PullDetail.as_view(), name="pull"),
    path("pulls/<uuid:pull_id>/cancel", connector_api.PullCancel.as_view(), name="pull-cancel"),
    path("pulls/<uuid:pull_id>/items", connector_api.PullItems.as_view(), name="pull-items"),
    path(f"{_ONE}/exports", export_api.DatasetExports.as_view(), name="dataset-exports"),
    path(
        f"{_ONE}/exports/<uuid:rows_export_id>",
        export_api.ExportDetail.as_view(),
        name="dataset-export",
    ),
    path(
        f"{_ONE}/exports/<uuid:rows_export_id>/file",
        export_api.ExportFile.as_view(),
        name="dataset-export-file",
    ),
]
