"""Fixes of what checks found, as kinds of change: previewed, applied as a job, undoable."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from django.utils.translation import gettext_lazy as lazy

from training.datasets import checking
from training.datasets.hashes import marks_of
from training.datasets.health import noise, personal
from training.datasets.models import Example
from training.datasets.services.bulk import MAX_TAGS
from training.datasets.services.changes import Kind, Params, State, kind_add

CONFLICT_TAG = "conflict"
FIXES: dict[str, tuple[str, ...]] = {
    "repeats": ("repeats_remove",),
    "near": ("near_remove",),
    "conflicts": ("conflicts_tag", "conflicts_remove"),
    "noise": ("empty_remove", "html_strip", "mojibake_repair"),
    "personal": ("personal_mask",),
}
"""The kinds of change that mend what a check found."""


def _holds(kind: str) -> Callable[[uuid.UUID, Params], None]:
    def check(dataset_id: uuid.UUID, _params: Params) -> None:
        checking.check_require(dataset_id, kind)

    return check


def _flagged(kind: str, **flags: object) -> Callable[[uuid.UUID, Params], checking.Pointed]:
    def select(dataset_id: uuid.UUID, _params: Params) -> checking.Pointed:
        found = checking.flagged_by(dataset_id, kind).filter(**flags)
        return checking.Pointed(Example.live.filter(dataset=dataset_id), found)

    return select


def _noisy(kind: str) -> Callable[[uuid.UUID, Params], checking.Pointed]:
    return _flagged("noise", data__kinds__contains=[kind])


def _remove(_row: Example, _params: Params) -> State:
    return {"removed": True}


def _tag_conflict(row: Example, _params: Params) -> State:
    tags = sorted({*row.tags, CONFLICT_TAG})
    return {"tags": tags} if len(tags) <= MAX_TAGS else {}


def _text(change: Callable[[str], str]) -> Callable[[Example, Params], State]:
    """Return an edit of the text alone; a text that would be nothing removes its row.

    A row with labels of parts of its text is left alone: their offsets would point elsewhere.
    """

    def edit(row: Example, _params: Params) -> State:
        if marks_of(row.data.get("fields")) is not None:
            return {}
        text = change(row.text)
        if noise.is_empty(text):
            return {"removed": True}
        return {"data": {**row.data, "text": text}}

    return edit


for _name, _kind in {
    "repeats_remove": Kind(
        lazy("Remove exact repeats"),
        _flagged("repeats", keep=False),
        _remove,
        _holds("repeats"),
    ),
    "near_remove": Kind(
        lazy("Remove near duplicates"), _flagged("near", keep=False), _remove, _holds("near")
    ),
    "conflicts_tag": Kind(
        lazy("Tag rows with conflicting labels"),
        _flagged("conflicts"),
        _tag_conflict,
        _holds("conflicts"),
    ),
    "conflicts_remove": Kind(
        lazy("Remove rows with conflicting labels"),
        _flagged("conflicts"),
        _remove,
        _holds("conflicts"),
    ),
    "empty_remove": Kind(
        lazy("Remove rows that say nothing"),
        _noisy("empty"),
        _remove,
        _holds("noise"),
    ),
    "html_strip": Kind(
        lazy("Strip HTML"),
        _noisy("html"),
        _text(noise.stripped),
        _holds("noise"),
    ),
    "mojibake_repair": Kind(
        lazy("Repair garbled text"),
        _noisy("mojibake"),
        _text(noise.repaired),
        _holds("noise"),
    ),
    "personal_mask": Kind(
        lazy("Mask personal data"),
        _flagged("personal"),
        _text(personal.masked),
        _holds("personal"),
    ),
}.items():
    kind_add(_name, _kind)
