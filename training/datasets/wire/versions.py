"""Bodies of frozen versions."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from modelyard.core.http.serializers import BodySerializer
from training.datasets import reasons
from training.datasets.augment.spec import OPERATIONS
from training.datasets.models import DatasetVersion


class GroupingIn(BodySerializer):
    """What never crosses train, validation and test."""

    by = serializers.ChoiceField(
        choices=["near", "exact", "field"],
        default="near",
        help_text="Near duplicates; equal texts only; or also equal values of a column.",
    )
    field = serializers.CharField(max_length=255, required=False)


class AugmentationIn(BodySerializer):
    """Rows to make from those of train."""

    operations = serializers.ListField(child=serializers.ChoiceField(choices=list(OPERATIONS)))
    per_row = serializers.IntegerField(min_value=1, max_value=3, default=1)
    templates = serializers.ListField(child=serializers.CharField(), required=False)


class VersionIn(BodySerializer):
    """How to freeze."""

    seed = serializers.IntegerField(min_value=0, default=0)
    shares = serializers.ListField(
        child=serializers.FloatField(), min_length=3, max_length=3, required=False
    )
    grouping = GroupingIn(required=False)
    stratified = serializers.BooleanField(default=True)
    augmentation = AugmentationIn(required=False)


class NotesIn(BodySerializer):
    """Notes for a version's data card."""

    notes = serializers.CharField(allow_blank=True, max_length=20_000)


class DeleteIn(BodySerializer):
    """The version's name, typed by a person who means it."""

    name = serializers.CharField(max_length=140)


class WordsIn(BodySerializer):
    """A word list: word, then its replacements, on each line."""

    csv = serializers.CharField(trim_whitespace=False, allow_blank=True)


class WordsOut(serializers.Serializer[object]):
    """The word list."""

    words = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))


class UseOut(serializers.Serializer[object]):
    """A run, model or deployment made from a version."""

    kind = serializers.CharField()
    id = serializers.UUIDField()
    title = serializers.CharField()
    status = serializers.CharField()


class UsesOut(serializers.Serializer[object]):
    """Runs, models and deployments made from a version."""

    data = UseOut(many=True)  # type: ignore[assignment]


class PlacingOut(serializers.Serializer[object]):
    """A version that has a row, and what was made from it."""

    version_id = serializers.UUIDField(source="version.pk")
    number = serializers.IntegerField(source="version.number")
    split = serializers.CharField()
    uses = UseOut(many=True)


class LineageOut(serializers.Serializer[object]):
    """A row, and where it went."""

    id = serializers.UUIDField()
    dataset_id = serializers.UUIDField()
    text = serializers.CharField()
    label = serializers.CharField(allow_null=True)  # type: ignore[assignment]
    removed = serializers.BooleanField()
    versions = PlacingOut(many=True)


class ComparisonIn(BodySerializer):
    """What to compare a version with."""

    with_version = serializers.UUIDField(
        required=False, help_text="Another version of the dataset; without it, the rows of today."
    )


class ComparisonOut(serializers.Serializer[object]):
    """A comparison: counts of rows by kind once its status is `done`."""

    id = serializers.UUIDField()
    before_id = serializers.UUIDField()
    after_id = serializers.UUIDField(allow_null=True)
    status = serializers.CharField()
    done = serializers.IntegerField()
    total = serializers.IntegerField()
    counts = serializers.DictField(child=serializers.IntegerField())


class ComparisonRowOut(serializers.Serializer[object]):
    """A row that differs."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    example_id = serializers.UUIDField()
    before = serializers.DictField(allow_null=True)
    after = serializers.DictField(allow_null=True)


class RestoreOut(serializers.Serializer[object]):
    """The change that restores."""

    change_id = serializers.UUIDField()
    status = serializers.CharField()


class FailureOut(serializers.Serializer[object]):
    """Why a version was not frozen."""

    code = serializers.CharField()
    detail = serializers.CharField()


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
    grouping = serializers.JSONField()
    stratified = serializers.BooleanField()
    augmented_rows = serializers.IntegerField()
    parent_id = serializers.UUIDField(allow_null=True, source="parent")
    done = serializers.IntegerField()
    total = serializers.IntegerField()
    error = serializers.SerializerMethodField()

    @extend_schema_field(FailureOut(allow_null=True))
    def get_error(self, version: DatasetVersion) -> dict[str, str] | None:
        """Return why it failed, in the language that is active now."""
        if not version.error_code:
            return None
        detail = reasons.version_sentence(version.error_code, version.error_data)
        return {"code": version.error_code, "detail": detail}


def version_body(version: DatasetVersion) -> dict[str, Any]:
    """Return a version as `VersionOut` writes it."""
    return dict(VersionOut(version).data)
