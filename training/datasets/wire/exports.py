"""Bodies of exports."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from modelyard.core.http.serializers import BodySerializer
from training.datasets import reasons
from training.datasets.formats import FORMATS, IMAGES
from training.datasets.models import DatasetExport
from training.datasets.wire.uploads import RefusalOut


class ExportIn(BodySerializer):
    """What to write."""

    format = serializers.ChoiceField(choices=sorted({*FORMATS, IMAGES.name}))
    version_id = serializers.UUIDField(
        required=False, allow_null=True, help_text="A frozen version; without: the live rows."
    )


class DatasetExportOut(serializers.Serializer[object]):
    """An export: GET its `file` when its status is `done`."""

    id = serializers.UUIDField()
    dataset_id = serializers.UUIDField()
    version_id = serializers.UUIDField(allow_null=True)
    format = serializers.CharField()
    filename = serializers.CharField()
    status = serializers.CharField()
    done = serializers.IntegerField()
    total = serializers.IntegerField()
    rows = serializers.IntegerField()
    bytes = serializers.IntegerField()
    sha256 = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    error = RefusalOut(allow_null=True)


def export_body(export: DatasetExport) -> dict[str, Any]:
    """Return an export as `DatasetExportOut` writes it."""
    names = (
        "id dataset_id version_id format filename status done total rows bytes sha256 created_at "
        "finished_at"
    )
    facts: dict[str, Any] = {name: getattr(export, name) for name in names.split()}
    facts["error"] = None
    if export.error_code:
        detail = reasons.file_sentence(export.error_code, export.error_data)
        facts["error"] = {"code": export.error_code, "detail": detail}
    return dict(DatasetExportOut(facts).data)
