"""Bodies of maps and of rows that were chosen on them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from modelyard.core.http.serializers import BodySerializer
from training.datasets import mapped, reasons
from training.datasets.models import Map, Pick
from training.datasets.wire.uploads import RefusalOut


class AreaOut(serializers.Serializer[object]):
    """A part of the map; the largest is the first."""

    rows = serializers.IntegerField()
    label = serializers.CharField(  # type: ignore[assignment]
        allow_null=True, help_text="The most frequent one."
    )
    label_rows = serializers.IntegerField(help_text="Rows with that label.")
    differing = serializers.IntegerField(
        help_text="Rows whose nearest labelled rows mostly have another label."
    )
    typical = serializers.UUIDField(help_text="The example nearest to the centre.")


class MapLabelOut(serializers.Serializer[object]):
    """A label on the map."""

    label = serializers.CharField()  # type: ignore[assignment]
    rows = serializers.IntegerField()


class MapOut(serializers.Serializer[object]):
    """A map: how far its making is, and what the newest finished one shows."""

    id = serializers.UUIDField()
    dataset_id = serializers.UUIDField()
    status = serializers.CharField()
    phase = serializers.CharField(help_text="reading, embedding, placing, or nothing")
    done = serializers.IntegerField()
    total = serializers.IntegerField()
    seconds_left = serializers.IntegerField(allow_null=True)
    made_at = serializers.DateTimeField(allow_null=True)
    stale = serializers.BooleanField(help_text="Rows changed since.")
    base = serializers.CharField()
    points = serializers.IntegerField(help_text="Rows on the map.")
    rows = serializers.IntegerField(help_text="Rows that the dataset had.")
    labels = MapLabelOut(many=True)
    areas = AreaOut(many=True)
    error = RefusalOut(allow_null=True)


class PickIn(BodySerializer):
    """Rows that were chosen."""

    examples = serializers.ListField(
        child=serializers.UUIDField(), min_length=1, max_length=mapped.MOST_POINTS
    )


class PickOut(serializers.Serializer[object]):
    """Chosen rows: the filter `pick` of lists and changes takes the id."""

    id = serializers.UUIDField()
    rows = serializers.IntegerField()


def map_body(found: Map, mark: str) -> dict[str, Any]:
    """Return a map as `MapOut` writes it; `mark` is that of the rows now."""
    names = "id dataset_id status phase done total made_at base points rows areas"
    facts: dict[str, Any] = {name: getattr(found, name) for name in names.split()}
    facts["seconds_left"] = mapped.seconds_left(found)
    facts["stale"] = mapped.is_stale(found, mark)
    facts["labels"] = [{"label": label, "rows": rows} for label, rows in found.labels]
    facts["error"] = None
    if found.error_code:
        detail = reasons.file_sentence(found.error_code, found.error_data)
        facts["error"] = {"code": found.error_code, "detail": detail}
    return dict(MapOut(facts).data)


def pick_body(pick: Pick) -> dict[str, Any]:
    """Return chosen rows as `PickOut` writes them."""
    return dict(PickOut({"id": pick.pk, "rows": len(pick.examples)}).data)
