"""Bodies of uploads."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from modelyard.core.http.serializers import BodySerializer
from training.datasets import encodings, reasons, selectors
from training.datasets.models import Upload
from training.datasets.types import Arrived


class UploadIn(BodySerializer):
    """A file to come."""

    filename = serializers.CharField(max_length=255)
    bytes = serializers.IntegerField(min_value=0)
    fingerprint = serializers.RegexField(
        r"^[0-9a-f]{64}\Z",
        required=False,
        help_text="64 hex digits that tell this file from others of its name and size: an "
        "upload with the same ones that hasn't ended goes on, where it stopped.",
    )


class PartOut(serializers.Serializer[object]):
    """A part and where to PUT it."""

    number = serializers.IntegerField()
    bytes = serializers.IntegerField(help_text="How many the PUT must have, exactly.")
    url = serializers.CharField()


class PartsIn(BodySerializer):
    """Parts to sign again."""

    numbers = serializers.ListField(
        child=serializers.IntegerField(min_value=1), min_length=1, max_length=1_000
    )


class PartsOut(serializers.Serializer[object]):
    """Signed parts."""

    parts = PartOut(many=True)


class ArrivedOut(serializers.Serializer[object]):
    """Which parts of an open upload the store has."""

    part_bytes = serializers.IntegerField(help_text="Of each part; the last one may have less.")
    part_count = serializers.IntegerField(help_text="Parts are numbered from 1.")
    received = serializers.ListField(
        child=serializers.IntegerField(), help_text="Numbers of the parts that have arrived."
    )
    received_bytes = serializers.IntegerField()


class UploadStartedOut(ArrivedOut):
    """An open upload: PUT each part that is missing to its URL, then POST `finish_url`.

    A `status` other than `receiving` says that the whole file is there: nothing is to be sent.
    URLs hold for an hour. `parts` has the first 100 that are missing; POST the numbers of others,
    and of those that ran out, to `parts_url`. A GET of `parts_url` says what has arrived.
    """

    id = serializers.UUIDField()
    status = serializers.CharField()
    resumed = serializers.BooleanField(help_text="Whether it had been started before.")
    parts = PartOut(many=True)
    parts_url = serializers.CharField()
    finish_url = serializers.CharField()
    abort_url = serializers.CharField()


class ProgressOut(serializers.Serializer[object]):
    """How far an import is."""

    bytes_done = serializers.IntegerField()
    bytes_total = serializers.IntegerField()
    percent = serializers.IntegerField()
    rows_per_second = serializers.IntegerField()
    eta_seconds = serializers.IntegerField(allow_null=True)


class CountsOut(serializers.Serializer[object]):
    """Rows read, and what became of them."""

    rows_read = serializers.IntegerField()
    rows_added = serializers.IntegerField()
    rows_repeated = serializers.IntegerField()
    rows_rejected = serializers.IntegerField()


class RejectOut(serializers.Serializer[object]):
    """A row that was not imported: where and why."""

    line = serializers.IntegerField()
    column = serializers.CharField()
    code = serializers.CharField()
    reason = serializers.CharField()
    value = serializers.CharField()


class RefusalOut(serializers.Serializer[object]):
    """Why the whole file was refused."""

    code = serializers.CharField()
    detail = serializers.CharField()


class UploadOut(serializers.Serializer[object]):
    """An upload: its state, what was found in it, what came of it."""

    id = serializers.UUIDField()
    dataset_id = serializers.UUIDField()
    filename = serializers.CharField()
    bytes = serializers.IntegerField()
    status = serializers.CharField()
    format = serializers.CharField()
    encoding = serializers.CharField()
    sha256 = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    mapping = serializers.JSONField()
    preview = serializers.JSONField()
    progress = ProgressOut()
    counts = CountsOut()
    rejects = RejectOut(many=True)
    error = RefusalOut(allow_null=True)
    next_url = serializers.CharField(required=False)


class ImportIn(BodySerializer):
    """Which columns are what; leave the rest out to take what was guessed."""

    text = serializers.CharField(max_length=255, trim_whitespace=False)
    label = serializers.CharField(  # type: ignore[assignment]
        max_length=255, allow_null=True, required=False, trim_whitespace=False
    )
    encoding = serializers.ChoiceField(choices=sorted(encodings.CODECS), required=False)
    delimiter = serializers.CharField(
        max_length=1, allow_blank=True, required=False, trim_whitespace=False
    )
    header = serializers.BooleanField(required=False)
    keep = serializers.ListField(
        child=serializers.CharField(max_length=255, trim_whitespace=False),
        max_length=2_000,
        required=False,
        help_text="Other columns that are kept beside text and label; without it, all.",
    )


class InspectIn(BodySerializer):
    """What to read differently."""

    encoding = serializers.ChoiceField(choices=sorted(encodings.CODECS), required=False)
    delimiter = serializers.CharField(
        max_length=1, allow_blank=True, required=False, trim_whitespace=False
    )
    header = serializers.BooleanField(required=False)


def reject_rows(upload: Upload) -> list[dict[str, Any]]:
    """Return the first rejected rows with their sentences, in the language that is active now."""
    return [
        {
            "line": line,
            "column": column,
            "code": code,
            "reason": reasons.row_sentence(code, detail),
            "value": value,
        }
        for line, column, code, value, detail in upload.rejects
    ]


def refusal(upload: Upload) -> dict[str, str] | None:
    """Return why the file was refused, or None."""
    if not upload.error_code:
        return None
    detail = reasons.file_sentence(upload.error_code, upload.error_data)
    return {"code": upload.error_code, "detail": detail}


def upload_body(upload: Upload, **more: object) -> dict[str, Any]:
    """Return an upload as `UploadOut` writes it."""
    plain = (
        "id dataset_id filename bytes status format encoding sha256 created_at finished_at "
        "mapping preview"
    )
    counts = ("rows_read", "rows_added", "rows_repeated", "rows_rejected")
    facts = {
        **{name: getattr(upload, name) for name in plain.split()},
        "progress": selectors.upload_progress(upload),
        "counts": {name: getattr(upload, name) for name in counts},
        "rejects": reject_rows(upload),
        "error": refusal(upload),
        **more,
    }
    return dict(UploadOut(facts).data)


def arrived_body(arrived: Arrived) -> dict[str, Any]:
    """Return what has arrived, as `ArrivedOut` writes it."""
    return {
        "part_bytes": arrived.part_bytes,
        "part_count": arrived.part_count,
        "received": list(arrived.numbers),
        "received_bytes": arrived.bytes,
    }
