"""The labels of a project and the keys that set them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

from django.utils.translation import gettext as _

from modelyard.core.errors import Invalid

KEYS = "1234567890qwertyiopasdfhjklzxcvbnm"
"""`u` undoes and `g` shows the guideline; labels beyond the keys are chosen with the pointer."""

MAX_LABELS = 200
MAX_LABEL = 200


class Label(TypedDict):
    """A label and its key ('' without one)."""

    name: str
    key: str


def labels_of(names: Iterable[str]) -> list[Label]:
    """Return the labels in the given order, without blanks and repeats, each with its key.

    Raises:
        Invalid: `labels_few`, `labels_many`, `label_long`.
    """
    kept = list(dict.fromkeys(name for raw in names if (name := raw.strip())))
    if len(kept) < 2:
        raise Invalid(_("Give two labels or more, one a line."), code="labels_few")
    if len(kept) > MAX_LABELS:
        raise Invalid(_("A project may have %(n)d labels.") % {"n": MAX_LABELS}, code="labels_many")
    if any(len(name) > MAX_LABEL for name in kept):
        raise Invalid(_("A label may have %(n)d characters.") % {"n": MAX_LABEL}, code="label_long")
    keys = [*KEYS, *[""] * len(kept)]
    return [Label(name=name, key=key) for name, key in zip(kept, keys, strict=False)]
