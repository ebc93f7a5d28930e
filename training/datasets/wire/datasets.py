"""Bodies of datasets and examples."""

from __future__ import annotations

from rest_framework import serializers

from modelyard.core.http.serializers import BodySerializer


class DatasetIn(BodySerializer):
    """A new dataset."""

    name = serializers.CharField(max_length=120)


class DatasetOut(serializers.Serializer[object]):
    """A dataset in a list."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    task = serializers.CharField()
    created_at = serializers.DateTimeField()
    example_count = serializers.IntegerField()
    version_count = serializers.IntegerField()


class DatasetDeleteIn(BodySerializer):
    """That a dataset is to be deleted, by somebody who means it."""

    name = serializers.CharField(max_length=120)


class DatasetDeletionOut(serializers.Serializer[object]):
    """How far the deletion of a dataset is."""

    id = serializers.UUIDField()
    dataset_id = serializers.UUIDField()
    status = serializers.CharField()
    done = serializers.IntegerField()
    total = serializers.IntegerField()
    finished_at = serializers.DateTimeField(allow_null=True)


class FindingOut(serializers.Serializer[object]):
    """Something to know before training."""

    code = serializers.CharField()
    count = serializers.IntegerField()
    sentence = serializers.CharField()


class DatasetDetailOut(DatasetOut):
    """A dataset with its labels and findings."""

    label_counts = serializers.DictField(child=serializers.IntegerField())
    findings = FindingOut(many=True)


class ExampleOut(serializers.Serializer[object]):
    """A row of a dataset."""

    id = serializers.UUIDField()
    upload_id = serializers.UUIDField()
    line = serializers.IntegerField()
    text = serializers.CharField()
    label = serializers.CharField(allow_null=True)  # type: ignore[assignment]
