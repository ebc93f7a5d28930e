"""Bodies of changes."""

from __future__ import annotations

from rest_framework import serializers

from modelyard.core.http.serializers import BodySerializer


class ChangeIn(BodySerializer):
    """A change: `params` holds `selection` (`ids` or `filters`) and what the kind takes."""

    kind = serializers.CharField(max_length=32)
    params = serializers.DictField()


class ChangeOut(serializers.Serializer[object]):
    """A change and how far it is."""

    id = serializers.UUIDField()
    dataset_id = serializers.UUIDField()
    kind = serializers.CharField()
    params = serializers.DictField()
    status = serializers.CharField()
    actor = serializers.CharField()
    done = serializers.IntegerField()
    total = serializers.IntegerField()
    rows = serializers.IntegerField()
    kept = serializers.IntegerField()
    error_code = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
