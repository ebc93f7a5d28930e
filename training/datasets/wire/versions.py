"""Bodies of frozen versions."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from modelyard.core.http.serializers import BodySerializer
from training.datasets.models import DatasetVersion


class VersionIn(BodySerializer):
    """How to freeze."""

    seed = serializers.IntegerField(min_value=0, default=0)
    shares = serializers.ListField(
        child=serializers.FloatField(), min_length=3, max_length=3, required=False
    )


class VersionOut(serializers.Serializer[object]):
    """A dataset version."""

    id = serializers.UUIDField()
    dataset_id = serializers.UUIDField()
    number = serializers.IntegerField()
    status = serializers.CharField()
    seed = serializers.IntegerField()
    shares = serializers.ListField(child=serializers.FloatField())
    rows = serializers.IntegerField()
    label_counts = serializers.DictField(child=serializers.IntegerField())
    split_counts = serializers.DictField(child=serializers.IntegerField())
    text_stats = serializers.DictField(child=serializers.FloatField())
    content_hash = serializers.CharField()
    created_at = serializers.DateTimeField()
    frozen_at = serializers.DateTimeField(allow_null=True)


def version_body(version: DatasetVersion) -> dict[str, Any]:
    """Return a version as `VersionOut` writes it."""
    return dict(VersionOut(version).data)
