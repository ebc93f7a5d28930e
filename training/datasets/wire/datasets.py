"""Bodies of datasets and examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from modelyard.core.http.serializers import BodySerializer
from training.datasets.image_links import image_url
from training.datasets.states import POINTING, SPLITS


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


class ExamplesIn(serializers.Serializer[Any]):
    """Which rows: those to which all of this applies, every row without."""

    q = serializers.CharField(
        required=False, max_length=1000, help_text="A part of the text, in any language."
    )
    label = serializers.CharField(  # type: ignore[assignment]
        required=False, max_length=200, help_text="The label."
    )
    unlabelled = serializers.ChoiceField(
        choices=["1"], required=False, help_text="Only rows without a label."
    )
    tag = serializers.CharField(required=False, max_length=64, help_text="One of the tags.")
    split = serializers.ChoiceField(
        choices=SPLITS, required=False, help_text="The split in the newest frozen version."
    )
    source = serializers.UUIDField(  # type: ignore[assignment]
        required=False, help_text="The upload that the row came with."
    )
    flagged = serializers.ChoiceField(
        choices=POINTING, required=False, help_text="The health check that points at the row."
    )
    group = serializers.UUIDField(
        required=False, help_text="The group that the check of `flagged` puts the row in."
    )
    pick = serializers.UUIDField(required=False, help_text="Rows that were chosen on the map.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a group of no check."""
        if "group" in attrs and "flagged" not in attrs:
            raise serializers.ValidationError({"group": [_("Say which check: add `flagged`.")]})
        return attrs


class ImageOut(serializers.Serializer[object]):
    """An image, without the metadata it came with."""

    sha256 = serializers.CharField()
    type = serializers.CharField(help_text="`image/jpeg`, `image/png` or `image/webp`.")
    width = serializers.IntegerField()
    height = serializers.IntegerField()
    bytes = serializers.IntegerField()
    url = serializers.SerializerMethodField(help_text="Of the file; holds for 10 minutes.")

    def get_url(self, image: Mapping[str, Any]) -> str:
        """Return a signed address."""
        return image_url(image)


class ExampleOut(serializers.Serializer[object]):
    """A row of a dataset."""

    id = serializers.UUIDField()
    upload_id = serializers.UUIDField()
    line = serializers.IntegerField()
    text = serializers.CharField()
    label = serializers.CharField(allow_null=True)  # type: ignore[assignment]
    image = ImageOut(allow_null=True, help_text="Null for a text; of an image, `text` is its name.")
