"""The base of every serializer that reads a request's body."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as later
from rest_framework import serializers

from modelyard.core.errors import DomainError

_TEXTS = (
    serializers.CharField,
    serializers.UUIDField,
    serializers.DateTimeField,
    serializers.DateField,
    serializers.ChoiceField,
)
_KINDS: tuple[tuple[type[Any] | tuple[type[Any], ...], type[Any] | tuple[type[Any], ...], Any], ...]
_KINDS = (
    (_TEXTS, str, later("This must be a text: put it in quotes.")),
    (serializers.BooleanField, bool, later("This must be true or false, without quotes.")),
    (serializers.IntegerField, (int, float), later("This must be a number, without quotes.")),
    (serializers.FloatField, (int, float), later("This must be a number, without quotes.")),
)


def wrong_type(field: Any, value: Any) -> str:
    """Return what is wrong with a value's JSON type ('' if nothing).

    DRF would take 0 for "0", "yes" for true and 5 for a UUID: a client's mistake, silently kept.
    """
    if value is None:
        return ""
    if isinstance(field, serializers.ListField) and isinstance(value, list):
        return next((why for one in value if (why := wrong_type(field.child, one))), "")
    for kinds, types, sentence in _KINDS:
        if isinstance(field, kinds):
            fits = isinstance(value, types) and (types is bool or not isinstance(value, bool))
            return "" if fits else str(sentence)
    return ""


def unknown_field(given: Iterable[object], known: Iterable[str]) -> DomainError | None:
    """Return the refusal of the first field that nobody asked for, or None."""
    names = sorted(known)
    strange = sorted({str(name) for name in given} - set(names))
    if not strange:
        return None
    sentence = _("There is no field %(name)s here. The fields are: %(known)s.") % {
        "name": strange[0][:100],
        "known": ", ".join(names),
    }
    fields = [{"field": name[:100], "message": sentence} for name in strange[:20]]
    return DomainError(sentence, code="unknown_field", fields=fields)


class BodySerializer(serializers.Serializer[Any]):
    """A body, or an object in one: a field that it does not name is refused, not ignored.

    A silently dropped `tenant` or `role` would look like success, and a mistyped optional field
    would do something else than was asked for. For the same reason types are not converted.
    """

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated fields.

        Raises:
            DomainError: 400 `unknown_field`.
            ValidationError: A value is wrong, or of another type than the field.
        """
        if isinstance(data, Mapping):
            known = [name for name, field in self.fields.items() if not field.read_only]
            refusal = unknown_field(data, known)
            if refusal is not None:
                raise refusal
            wrong = {name: wrong_type(self.fields[name], data[name]) for name in data}
            if any(wrong.values()):
                raise serializers.ValidationError(
                    {name: [why] for name, why in wrong.items() if why}
                )
        return super().to_internal_value(data)
