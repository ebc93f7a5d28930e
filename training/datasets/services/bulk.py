"""The plain bulk actions on chosen rows: remove, relabel, tag, untag."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from modelyard.core.errors import Invalid
from training.datasets import checking, finding
from training.datasets.checks import MAX_LABEL
from training.datasets.models import Example
from training.datasets.services.changes import Kind, Params, State, kind_add
from training.datasets.states import POINTING

MAX_IDS = 10_000
MAX_TAG = 64
MAX_TAGS = 20


def selection_of(dataset_id: uuid.UUID, params: Params) -> QuerySet[Example] | checking.Pointed:
    """Return the live rows that `params["selection"]` means: `{"ids"}` or `{"filters"}`."""
    selection = params["selection"]
    if selection.get("ids"):
        wanted = [uuid.UUID(str(one)) for one in selection["ids"]]
        return Example.live.filter(dataset=dataset_id, pk__in=wanted)
    return finding.example_find(dataset_id, selection["filters"])


def selection_check(dataset_id: uuid.UUID, params: Params) -> None:
    """Refuse params that don't say which rows.

    Raises:
        Invalid: `selection_wrong`.
        Conflict: They go by a check: `check_not_done`, `check_stale`.
    """
    selection = params.get("selection")
    ids = selection.get("ids") if isinstance(selection, dict) else None
    filters = selection.get("filters") if isinstance(selection, dict) else None
    if not (_are_ids(ids) if filters is None else ids is None and _are_filters(filters)):
        raise Invalid(
            _("Say which rows: at most %(most)d ids, or filters by these: %(names)s.")
            % {"most": MAX_IDS, "names": ", ".join(finding.NAMES)},
            code="selection_wrong",
        )
    if filters and filters.get("flagged"):
        checking.check_require(dataset_id, filters["flagged"])
    selection_of(dataset_id, params)


def _are_ids(ids: object) -> bool:
    if not isinstance(ids, list) or not 0 < len(ids) <= MAX_IDS:
        return False
    try:
        return all(uuid.UUID(str(one)) for one in ids)
    except ValueError:
        return False


def _are_filters(filters: object) -> bool:
    """Tell whether each filter is known: one that is not would let every row through."""
    if not isinstance(filters, dict):
        return False
    if not all(name in finding.NAMES and isinstance(filters[name], str) for name in filters):
        return False
    if filters.get("flagged") not in {None, "", *POINTING}:
        return False
    if filters.get("group") and not filters.get("flagged"):
        return False
    given = [filters[name] for name in ("source", "group", "pick") if filters.get(name)]
    return not given or _are_ids(given)


def _check_relabel(dataset_id: uuid.UUID, params: Params) -> None:
    selection_check(dataset_id, params)
    label = params.get("label")
    if label is not None and not (isinstance(label, str) and 0 < len(label.strip()) <= MAX_LABEL):
        raise Invalid(
            _("A label has 1 to %(most)d characters; leave it out to take labels away.")
            % {"most": MAX_LABEL},
            code="label_wrong",
        )


def _check_tag(dataset_id: uuid.UUID, params: Params) -> None:
    selection_check(dataset_id, params)
    tag = params.get("tag")
    if not (isinstance(tag, str) and 0 < len(tag.strip()) <= MAX_TAG):
        raise Invalid(
            _("A tag has 1 to %(most)d characters.") % {"most": MAX_TAG}, code="tag_wrong"
        )


def _remove(_row: Example, _params: Params) -> State:
    return {"removed": True}


def _relabel(_row: Example, params: Params) -> State:
    label: Any = params.get("label")
    return {"label": label.strip() if label else None}


def _tag(row: Example, params: Params) -> State:
    tags = sorted({*row.tags, params["tag"].strip()})
    return {"tags": tags} if len(tags) <= MAX_TAGS else {}


def _untag(row: Example, params: Params) -> State:
    return {"tags": [tag for tag in row.tags if tag != params["tag"].strip()]}


kind_add("remove", Kind(lazy("Remove rows"), selection_of, _remove, selection_check))
kind_add("relabel", Kind(lazy("Set the label"), selection_of, _relabel, _check_relabel))
kind_add("tag", Kind(lazy("Add a tag"), selection_of, _tag, _check_tag))
kind_add("untag", Kind(lazy("Take a tag away"), selection_of, _untag, _check_tag))
