"""Bodies of checks."""

from __future__ import annotations

from rest_framework import serializers

from modelyard.core.http.serializers import BodySerializer
from training.datasets import checking
from training.datasets.models import Check
from training.datasets.states import CHECKS


class ChecksIn(BodySerializer):
    """Which checks to run; all without."""

    kinds = serializers.ListField(
        child=serializers.ChoiceField(choices=CHECKS), min_length=1, required=False
    )


class CheckOut(serializers.Serializer[object]):
    """A check of a dataset's health: how far it is, or what it found."""

    kind = serializers.CharField()
    status = serializers.CharField()
    done = serializers.IntegerField()
    total = serializers.IntegerField()
    rows_seen = serializers.IntegerField()
    result = serializers.DictField()
    stale = serializers.BooleanField()
    error_code = serializers.CharField()
    finished_at = serializers.DateTimeField(allow_null=True)


class ChecksOut(serializers.Serializer[object]):
    """The checks of a dataset."""

    data = CheckOut(many=True)  # type: ignore[assignment]


def checks_body(checks: list[Check], mark: str) -> dict[str, object]:
    """Return checks as `ChecksOut` writes them; `mark` is that of the rows now."""
    fields = ("kind", "status", "done", "total", "rows_seen", "result", "error_code", "finished_at")
    ordered = sorted(checks, key=lambda check: CHECKS.index(check.kind))
    lines = [
        {name: getattr(check, name) for name in fields} | {"stale": checking.is_stale(check, mark)}
        for check in ordered
    ]
    return {"data": CheckOut(lines, many=True).data}
