"""Connectors, pulls and rows sent one by one, on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from modelyard.core.http.serializers import BodySerializer
from training.datasets import connector_selectors as selectors
from training.datasets.collect.words import failed_sentence, skipped_sentence
from training.datasets.models import Connector, Item, Pull
from training.datasets.services.rows import MAX_ROWS, Added

CONFIG = ("url", "max_pages", "endpoint", "bucket", "prefix", "region", "access_key")


class ConnectorPatchIn(BodySerializer):
    """What to change; what is left out stays."""

    name = serializers.CharField(max_length=120, required=False)
    url = serializers.CharField(
        max_length=2048, required=False, help_text="Of kinds url, feed and sitemap."
    )
    max_pages = serializers.IntegerField(
        min_value=1, required=False, help_text="Of kinds feed and sitemap: pages a pull."
    )
    endpoint = serializers.CharField(
        max_length=2048, required=False, help_text="Of kind s3: https://s3.example.com"
    )
    bucket = serializers.CharField(max_length=255, required=False)
    prefix = serializers.CharField(max_length=1024, required=False, allow_blank=True)
    region = serializers.CharField(max_length=64, required=False)
    access_key = serializers.CharField(max_length=255, required=False)
    secret_key = serializers.CharField(
        max_length=1024, required=False, write_only=True, help_text="Never shown again."
    )
    schedule = serializers.ChoiceField(choices=Connector.Schedule.choices, required=False)
    paused = serializers.BooleanField(required=False)


class ConnectorIn(ConnectorPatchIn):
    """A new connector."""

    kind = serializers.ChoiceField(choices=Connector.Kind.choices)
    name = serializers.CharField(max_length=120)
    paused = None  # type: ignore[assignment]


class ErrorOut(serializers.Serializer[object]):
    """Why something failed."""

    code = serializers.CharField()
    detail = serializers.CharField()


class PullProgressOut(serializers.Serializer[object]):
    """How far a pull is."""

    done = serializers.IntegerField()
    total = serializers.IntegerField()
    percent = serializers.IntegerField(allow_null=True)
    per_second = serializers.FloatField()
    eta_seconds = serializers.IntegerField(allow_null=True)


class PulledUploadOut(serializers.Serializer[object]):
    """An upload that a pull brought."""

    id = serializers.UUIDField()
    filename = serializers.CharField()
    status = serializers.CharField()
    rows_added = serializers.IntegerField()
    rows_repeated = serializers.IntegerField()
    rows_rejected = serializers.IntegerField()


class PullCountsOut(serializers.Serializer[object]):
    """Items of a pull: pages, objects or the file."""

    found = serializers.IntegerField()
    fetched = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    skipped = serializers.DictField(child=serializers.IntegerField(), help_text="By reason.")


class PullOut(serializers.Serializer[object]):
    """One run of a connector."""

    id = serializers.UUIDField()
    connector_id = serializers.UUIDField()
    status = serializers.CharField()
    scheduled = serializers.BooleanField()
    counts = PullCountsOut()
    progress = PullProgressOut()
    error = ErrorOut(allow_null=True)
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class PullDetailOut(PullOut):
    """A pull with what it brought."""

    uploads = PulledUploadOut(many=True)


class ConnectorOut(serializers.Serializer[object]):
    """A connector; its secret key is never shown."""

    id = serializers.UUIDField()
    dataset_id = serializers.UUIDField()
    kind = serializers.CharField()
    name = serializers.CharField()
    config = serializers.DictField()
    schedule = serializers.CharField()
    next_at = serializers.DateTimeField(allow_null=True)
    paused = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class ItemOut(serializers.Serializer[object]):
    """A page, file or object that a pull looked at."""

    id = serializers.UUIDField()
    address = serializers.CharField()
    at = serializers.DateTimeField()
    outcome = serializers.ChoiceField(choices=["fetched", "unchanged", "skipped"])
    reason = serializers.CharField()
    detail = serializers.SerializerMethodField()

    def get_detail(self, item: Item) -> str:
        """Return the reason as a sentence."""
        return skipped_sentence(item.reason, item.detail) if item.reason else ""


class RowIn(serializers.Serializer[object]):
    """A row to add, for the description; each is checked by itself, see `services.rows`."""

    text = serializers.CharField(max_length=100_000)
    label = serializers.CharField(  # type: ignore[assignment]
        max_length=200, required=False, allow_null=True
    )
    fields = serializers.DictField(required=False, help_text="Whatever else belongs to it.")  # type: ignore[assignment]
    tags = serializers.ListField(child=serializers.CharField(max_length=64), required=False)


@extend_schema_field(RowIn)
class _AnyRow(serializers.JSONField):
    """Any value: a wrong row is answered by its place, and stops no other."""


class RowsIn(BodySerializer):
    """Rows to add."""

    rows = serializers.ListField(
        child=_AnyRow(),
        min_length=1,
        max_length=MAX_ROWS,
        help_text='At most 1,000 of {"text": "...", "label"?: "...", "fields"?: {...}, '
        '"tags"?: ["..."]}.',
    )


class RefusedOut(serializers.Serializer[object]):
    """A row that was not taken; `index` counts from 0."""

    index = serializers.IntegerField()
    field = serializers.CharField()
    code = serializers.CharField()
    reason = serializers.CharField()


class RowsOut(serializers.Serializer[object]):
    """What became of the rows."""

    added = serializers.IntegerField()
    repeated = serializers.IntegerField(help_text="Rows that the dataset had already.")
    refused = serializers.IntegerField()
    errors = RefusedOut(many=True)  # type: ignore[assignment]
    upload_id = serializers.UUIDField(help_text="The day's upload that the rows belong to.")


def config_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a body's fields that are a connector's config."""
    return {name: given[name] for name in CONFIG if name in given}


def pull_body(pull: Pull) -> dict[str, Any]:
    """Return a pull as `PullOut` writes it."""
    plain = "id connector_id status scheduled created_at finished_at"
    facts: dict[str, Any] = {name: getattr(pull, name) for name in plain.split()}
    return dict(PullOut({**facts, **_told(pull)}).data)


def pull_detail_body(pull: Pull) -> dict[str, Any]:
    """Return a pull as `PullDetailOut` writes it."""
    uploads = selectors.pull_uploads(pull.pk)
    return {**pull_body(pull), "uploads": PulledUploadOut(uploads, many=True).data}


def _told(pull: Pull) -> dict[str, Any]:
    nothing = {"found": 0, "fetched": 0, "unchanged": 0, "skipped": {}}
    error = None
    if pull.error_code:
        detail = failed_sentence(pull.error_code, pull.error_data)
        error = {"code": pull.error_code, "detail": detail}
    return {
        "counts": {**nothing, **pull.counts},
        "progress": selectors.pull_progress(pull),
        "error": error,
    }


def rows_body(added: Added) -> dict[str, Any]:
    """Return what became of rows, as `RowsOut` writes it."""
    facts = {
        "added": added.added,
        "repeated": added.repeated,
        "refused": len(added.refused),
        "errors": added.refused,
        "upload_id": added.upload_id,
    }
    return dict(RowsOut(facts).data)
