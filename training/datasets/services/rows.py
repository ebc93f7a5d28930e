"""Rows that a program sends one by one or in batches, without a file."""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F
from django.utils.translation import gettext as _

from billing import entitlements, plans
from modelyard.core import clock, ids
from modelyard.core.errors import Conflict
from tenants import access, audit
from tenants.access import Actor
from training.datasets import checks, reasons, selectors
from training.datasets.models import Dataset, DatasetVersion, Example, Upload
from training.datasets.services.datasets import task_take
from training.datasets.services.inserting import NewRow, hash_of, rows_insert
from training.datasets.services.search import search_start

MAX_ROWS = 1_000
MAX_TAGS = 20
MAX_TAG = 64
MAX_FIELDS = 100_000
"""Characters of a row's other fields, as JSON."""
MAX_DEPTH = 16
FILENAME = "API"
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


@dataclass(frozen=True)
class Refused:
    """A row that was not taken: its place in the request (from 0), what is wrong, and why."""

    index: int
    field: str
    code: str
    reason: str


@dataclass(frozen=True)
class Added:
    """What became of the rows of one call."""

    added: int
    repeated: int
    refused: tuple[Refused, ...]
    upload_id: uuid.UUID


class _Unfit(Exception):
    def __init__(self, field: str, code: str, reason: str) -> None:
        """Keep what is wrong."""
        super().__init__(code)
        self.field, self.code, self.reason = field, code, reason


def rows_add(*, actor: Actor, dataset_id: uuid.UUID, rows: Sequence[object]) -> Added:
    """Add rows to a dataset; a row that it has already adds nothing. Needs an open scope.

    Args:
        actor: Who.
        dataset_id: Where.
        rows: At most 1,000 of `{"text", "label"?, "fields"?, "tags"?}`.

    Returns:
        How many were added and repeated, and each row that was refused. One bad row stops no
        other.

    Raises:
        Conflict: `freeze_running`; `import_running`: a row repeats one of a file that is still
            being imported, and would be lost if that import were stopped; `task_differs`: the
            dataset holds images.
        QuotaExceeded: The plan has no room for the new rows; none was added.
        NotFound: No such dataset.
    """
    access.require(actor, "data.write")
    dataset = selectors.dataset_get(dataset_id)
    task_take(Dataset.objects.select_for_update().get(pk=dataset.pk), images=False)
    if DatasetVersion.objects.filter(dataset=dataset, status="freezing").exists():
        raise Conflict(
            _("A version of this dataset is being frozen. Send the rows again in a moment."),
            code="freeze_running",
            retry_after=2,
        )
    upload = _upload_of_today(actor, dataset)
    taken: list[NewRow] = []
    refused: list[Refused] = []
    for index, row in enumerate(rows):
        try:
            taken.append(_new_row(row, line=upload.rows_read + index + 1))
        except _Unfit as unfit:
            refused.append(Refused(index, unfit.field, unfit.code, unfit.reason))
    added = _insert(upload, taken)
    if added < len(taken):
        _refuse_repeats_of_unfinished(dataset, taken)
    counts = {"read": len(rows), "added": added, "repeated": len(taken) - added}
    Upload.objects.filter(pk=upload.pk).update(
        rows_read=F("rows_read") + counts["read"],
        rows_added=F("rows_added") + added,
        rows_repeated=F("rows_repeated") + counts["repeated"],
        rows_rejected=F("rows_rejected") + len(refused),
        finished_at=clock.now(),
    )
    if added:
        search_start(dataset_id=dataset.pk)
        audit.record(actor, "rows.added", dataset, name=dataset.name, rows=added)
    return Added(added, counts["repeated"], tuple(refused), upload.pk)


def _refuse_repeats_of_unfinished(dataset: Dataset, taken: Sequence[NewRow]) -> None:
    moving = selectors.upload_moving(dataset.pk).values("pk")
    hashes = [hash_of(row) for row in taken]
    there = Example.objects.filter(dataset=dataset, content_hash__in=hashes)
    if there.filter(upload__in=moving).exists():
        raise Conflict(
            _("A file with some of these rows is being imported. Send them again in a moment."),
            code="import_running",
            retry_after=5,
        )


def _upload_of_today(actor: Actor, dataset: Dataset) -> Upload:
    """Return the upload that a UTC day's rows belong to; the dataset's row is locked already."""
    now = clock.now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    until = midnight + dt.timedelta(days=1)
    day = Upload.objects.filter(dataset=dataset, format="api")
    found: Upload | None = day.filter(created_at__gte=midnight, created_at__lt=until).first()
    if found is not None:
        return found
    upload: Upload = Upload.objects.create(
        dataset=dataset,
        filename=FILENAME,
        status=Upload.Status.DONE,
        format="api",
        encoding="utf-8",
        bytes=0,
        storage_key="",
        moved_at=now,
        started_at=now,
        finished_at=now,
    )
    audit.record(actor, "upload.done", upload, filename=FILENAME)
    return upload


def _new_row(row: object, *, line: int) -> NewRow:
    """Return the row as it is to be stored.

    Raises:
        _Unfit: The row can't be taken.
    """
    if not isinstance(row, Mapping):
        raise _Unfit("", "not_object", reasons.row_sentence("not_object", {}))
    unknown = sorted(set(row) - {"text", "label", "fields", "tags"})
    if unknown:
        name = str(unknown[0])[:60]
        raise _Unfit(name, "unknown_field", _("There is no such field. Put it into “fields”."))
    text, label = row.get("text"), row.get("label")
    if label is not None and not isinstance(label, str):
        raise _Unfit("label", "wrong_type", reasons.row_sentence("wrong_type", {}))
    if text is not None and not isinstance(text, str):
        raise _Unfit("text", "wrong_type", reasons.row_sentence("wrong_type", {}))
    text, label = text or "", (label or "").strip() or None
    _check_text("text", text, checks.MAX_TEXT, "too_long")
    _check_text("label", label or "", checks.MAX_LABEL, "label_too_long")
    if not text.strip():
        raise _Unfit("text", "missing_text", reasons.row_sentence("missing_text", {}))
    fields = _checked_fields(row.get("fields"))
    return NewRow(line, text, label, fields, tags=_checked_tags(row.get("tags")))


def _check_text(field: str, value: str, most: int, code: str) -> None:
    found = _UNSTORABLE.search(value)
    if found is not None:
        reason = "nul" if found.group() == "\x00" else "half_character"
        raise _Unfit(field, reason, reasons.row_sentence(reason, {}))
    if len(value) > most:
        raise _Unfit(field, code, reasons.row_sentence(code, {"found": len(value), "most": most}))


def _checked_fields(value: object) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _Unfit("fields", "not_object", _('Fields are an object, such as {"id": 7}.'))
    if _depth(value) > MAX_DEPTH:
        raise _Unfit("fields", "too_deep", _("The fields are nested too deep."))
    try:
        written = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        reason = _("A number in the fields is not finite, or not JSON.")
        raise _Unfit("fields", "not_finite", reason) from error
    _check_fields_text(written, value)
    return value


def _check_fields_text(written: str, value: object) -> None:
    # JSON writes U+0000 as an escape, so the values themselves are looked at, too.
    if len(written) > MAX_FIELDS:
        reason = _("The fields have more than %(most)d characters.") % {"most": MAX_FIELDS}
        raise _Unfit("fields", "fields_too_large", reason)
    if _UNSTORABLE.search(written) or "\\u0000" in json.dumps(value, ensure_ascii=False):
        raise _Unfit("fields", "nul", reasons.row_sentence("nul", {}))


def _depth(value: object) -> int:
    """Return how deep lists and objects are nested, counting no further than is of use."""
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        inner: list[object] = []
        for one in level:
            inner.extend(
                one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
            )
        level, depth = [one for one in inner if isinstance(one, dict | list)], depth + 1
    return depth


def _checked_tags(value: object) -> list[str]:
    if value is None:
        return []
    fine = isinstance(value, list) and len(value) <= MAX_TAGS
    tags = value if isinstance(value, list) else []
    if not fine or not all(
        isinstance(tag, str) and 0 < len(tag.strip()) <= MAX_TAG for tag in tags
    ):
        reason = _("Tags are a list of at most %(n)d words of at most %(most)d characters.")
        raise _Unfit("tags", "tags_wrong", reason % {"n": MAX_TAGS, "most": MAX_TAG})
    for tag in tags:
        _check_text("tags", tag, MAX_TAG, "tags_wrong")
    return sorted({tag.strip() for tag in tags})


def _insert(upload: Upload, rows: Sequence[NewRow]) -> int:
    """Insert what the dataset doesn't have, within the plan; return how many.

    Raises:
        QuotaExceeded: There is no room; the caller's transaction ends.
    """
    standing = selectors.example_count(upload.tenant_id)
    added = rows_insert(upload, sorted(str(ids.new()) for _row in rows), rows)
    if added:
        entitlements.require(upload.tenant_id, plans.EXAMPLES, added, stands=standing)
    return added
