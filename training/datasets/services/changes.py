"""Changes: fixes and bulk actions on a dataset's rows, previewed, applied as a job, undoable.

A kind says which rows it looks at and what one row becomes; this module does the rest: batches
with the former state of each row beside the new one, so that an undo restores exactly what was
there, and leaves alone (and counts) what somebody changed afterwards.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from modelyard.core import clock, queue
from modelyard.core.errors import Conflict, Invalid
from tenants import access, audit
from tenants.access import Actor
from tenants.scoping.context import tenant_scope
from training.datasets import checking, selectors
from training.datasets.hashes import data_group, data_hash
from training.datasets.models import Change, ChangeRow, Dataset, DatasetVersion, Example
from training.datasets.services import work
from training.datasets.states import CHANGE

CHUNK_ROWS = 1_000
Params = Mapping[str, Any]
State = dict[str, Any]
"""Of a row: those of `data`, `label`, `tags`, `removed` that matter."""
Edit = Callable[[Example, Params], State]
_UPDATE = """
update datasets_example as mine set data = given.data::jsonb, label = given.label,
  tags = array(select jsonb_array_elements_text(given.tags::jsonb)),
  content_hash = given.content, group_hash = given.grp, removed_in = given.removed::uuid
from unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
  as given (id, data, label, tags, content, grp, removed)
where mine.tenant_id = %s and mine.id = any(%s::uuid[])
  and mine.id = given.id
"""


@dataclass(frozen=True)
class Kind:
    """A kind of change.

    Attributes:
        title: What it does, for people.
        select: The live rows it looks at, from dataset id and params; any order.
        edit: What a row becomes (only what differs; {} leaves it alone), from row and params.
        check: Refuses wrong params with `Invalid`, when the change is ordered.
        opened: Around the whole job, where `edit` needs more than the row; yields what takes
            its place. It may raise `ChangeRefused`.
        with_removed: `select` returns removed rows too.
    """

    title: str | Promise
    select: Callable[[uuid.UUID, Params], QuerySet[Example] | checking.Pointed]
    edit: Edit
    check: Callable[[uuid.UUID, Params], None]
    opened: Callable[[Change], AbstractContextManager[Edit]] | None = None
    with_removed: bool = False


class ChangeRefused(Exception):
    """The change can't be applied; a code of `reasons.VERSION`, and what its sentence needs."""

    def __init__(self, code: str, **data: object) -> None:
        """Keep code and data."""
        super().__init__(code)
        self.code = code
        self.data = data


KINDS: dict[str, Kind] = {}
_AFTER: list[Callable[[uuid.UUID], None]] = []


def after_add(follow: Callable[[uuid.UUID], None]) -> None:
    """Have `follow(dataset_id)` called in the scope in which a change ends or is undone."""
    _AFTER.append(follow)


def _ended(dataset_id: uuid.UUID) -> None:
    for follow in _AFTER:
        follow(dataset_id)


def kind_add(name: str, kind: Kind) -> None:
    """Make a kind of change known under a name; called when its module is loaded."""
    KINDS[name] = kind


def kind_get(name: str) -> Kind:
    """Return the kind of that name.

    Raises:
        Invalid: `change_unknown`.
    """
    if name not in KINDS:
        raise Invalid(
            _("There is no change “%(name)s”. Choose one of: %(all)s.")
            % {"name": name, "all": ", ".join(sorted(KINDS))},
            code="change_unknown",
        )
    return KINDS[name]


def state_of(row: Example) -> State:
    """Return all that a change may change of a row."""
    return {
        "data": row.data,
        "label": row.label,
        "tags": list(row.tags),
        "removed": row.removed_in is not None,
    }


def change_preview(
    *, dataset_id: uuid.UUID, kind: str, params: Params, limit: int = 20
) -> list[tuple[Example, State]]:
    """Return the first rows that would change and what they would become; needs an open scope.

    Raises:
        Invalid: The kind or its params are wrong.
    """
    chosen = kind_get(kind)
    chosen.check(dataset_id, params)
    found: list[tuple[Example, State]] = []
    last: uuid.UUID | None = None
    while len(found) < limit:
        rows = _next_rows(chosen, dataset_id, params, last)
        edits = ((row, _difference(row, chosen.edit(row, params))) for row in rows)
        found.extend((row, edit) for row, edit in edits if edit)
        if len(rows) < CHUNK_ROWS:
            break
        last = rows[-1].pk
    return found[:limit]


def change_start(*, actor: Actor, dataset_id: uuid.UUID, kind: str, params: Params) -> Change:
    """Order a change of a dataset's rows; needs an open scope. A task applies it.

    Raises:
        Invalid: The kind or its params are wrong.
        Conflict: `freeze_running`, `change_running`.
        NotFound: No such dataset.
    """
    access.require(actor, "data.write")
    dataset = selectors.dataset_get(dataset_id)
    kind_get(kind).check(dataset.pk, params)
    Dataset.objects.select_for_update().get(pk=dataset.pk)
    refuse_while_changing(dataset.pk)
    if DatasetVersion.objects.filter(dataset=dataset, status="freezing").exists():
        raise Conflict(
            _("A version of this dataset is being frozen. Change rows again in a moment."),
            code="freeze_running",
        )
    change: Change = Change.objects.create(
        dataset=dataset,
        kind=kind,
        params=dict(params),
        actor=f"{actor.kind}:{actor.id}",
        moved_at=clock.now(),
    )
    audit.record(actor, "change.ordered", change, kind=kind)
    _ring(change)
    return change


def refuse_while_changing(dataset_id: uuid.UUID) -> None:
    """Raise `Conflict` while a change of the dataset's rows is being applied or undone."""
    moving = Change.objects.filter(dataset=dataset_id, status__in=["waiting", "running", "undoing"])
    if moving.exists():
        raise Conflict(
            _("Rows of this dataset are being changed. Wait until that is done, or cancel it."),
            code="change_running",
        )


def change_undo(*, actor: Actor, change_id: uuid.UUID) -> Change:
    """Have a change undone, or stopped and undone while it runs; needs an open scope.

    Raises:
        Conflict: It is undone already, or `freeze_running`.
        NotFound: No such change.
    """
    access.require(actor, "data.write")
    change = selectors.change_get(change_id)
    Dataset.objects.select_for_update().get(pk=change.dataset_id)
    if DatasetVersion.objects.filter(dataset=change.dataset_id, status="freezing").exists():
        raise Conflict(
            _("A version of this dataset is being frozen. Undo in a moment."),
            code="freeze_running",
        )
    if change.status == Change.Status.WAITING:
        return work.cancel(actor=actor, row=change, machine=CHANGE)
    CHANGE.require(change, "undoing", moved_at=clock.now(), lease_until=None, attempt=0, done=0)
    audit.record(actor, "change.undoing", change, kind=change.kind)
    _ring(change)
    return change


def _ring(change: Change) -> None:
    queue.enqueue("datasets.change", tenant_id=str(change.tenant_id), change_id=str(change.pk))


def change_run(*, tenant_id: uuid.UUID, change_id: uuid.UUID) -> None:
    """Apply or undo a change, unless somebody does; delivered twice, done once."""
    for step, running in ((_apply, "running"), (_undo, "undoing")):
        claimed = work.claim(
            Change, tenant_id=tenant_id, row_id=change_id, machine=CHANGE, running=running
        )
        if claimed is not None:
            try:
                step(claimed)
            except work.WorkLost:
                return
            except ChangeRefused as refusal:
                claimed.fail(refusal.code, refusal.data)


def _next_rows(
    kind: Kind, dataset_id: uuid.UUID, params: Params, last: uuid.UUID | None
) -> list[Example]:
    rows = kind.select(dataset_id, params)
    if isinstance(rows, checking.Pointed):
        rows = rows.page(last, CHUNK_ROWS)
    elif last is not None:
        rows = rows.filter(pk__gt=last)
    return list(rows.order_by("pk")[:CHUNK_ROWS])


def _difference(row: Example, edit: State) -> State:
    now = state_of(row)
    return {name: value for name, value in edit.items() if now[name] != value}


def _apply(claimed: work.Claim[Change]) -> None:
    change = claimed.row
    kind = kind_get(change.kind)
    with tenant_scope(change.tenant_id):
        claimed.keep(total=kind.select(change.dataset_id, change.params).count())
    with kind.opened(change) if kind.opened else nullcontext(kind.edit) as edit:
        _apply_all(claimed, kind, edit)


def _apply_all(claimed: work.Claim[Change], kind: Kind, edit: Edit) -> None:
    change = claimed.row
    seen, last = 0, None
    while True:
        with tenant_scope(change.tenant_id):
            rows = _next_rows(kind, change.dataset_id, change.params, last)
            seen += len(rows)
            claimed.keep(done=seen)
            _apply_chunk(change, kind, edit, rows)
            if len(rows) < CHUNK_ROWS:
                changed = ChangeRow.objects.filter(change=change).count()
                claimed.end("done", rows=changed)
                _ended(change.dataset_id)
                return
            last = rows[-1].pk


def _apply_chunk(change: Change, kind: Kind, edit: Edit, rows: Sequence[Example]) -> None:
    """Change a batch in the open transaction; the rows as they are now, locked, are what counts."""
    manager = Example.objects if kind.with_removed else Example.live
    locked = manager.select_for_update().filter(pk__in=[row.pk for row in rows])
    touched = set(
        ChangeRow.objects.filter(change=change, example__in=rows).values_list("example_id")
    )
    edits: dict[uuid.UUID, tuple[Example, State]] = {}
    for row in locked.order_by("pk"):
        new = _difference(row, edit(row, change.params))
        if new and (row.pk,) not in touched:
            edits[row.pk] = (row, new)
    edits = _merged(change.dataset_id, edits)
    journal = []
    for row, new in edits.values():
        before = {name: value for name, value in state_of(row).items() if name in new}
        journal.append(ChangeRow(change=change, example=row, before=before, after=new))
    _write(change, edits)
    ChangeRow.objects.bulk_create(journal)


def _merged(
    dataset_id: uuid.UUID, edits: dict[uuid.UUID, tuple[Example, State]]
) -> dict[uuid.UUID, tuple[Example, State]]:
    """Turn an edit that makes a row a true repeat of another into the row's removal."""
    hashes = {key: _hash_after(row, edit) for key, (row, edit) in edits.items()}
    moving = {key: value for key, value in hashes.items() if value != edits[key][0].content_hash}
    there = Example.objects.filter(dataset=dataset_id, content_hash__in=list(moving.values()))
    taken = set(there.values_list("content_hash", flat=True))
    for key, value in moving.items():
        if value in taken:
            edits[key] = (edits[key][0], {"removed": True})
        taken.add(value)
    return edits


def _hash_after(row: Example, edit: State) -> str:
    data = edit.get("data", row.data)
    label = edit.get("label", row.label)
    return data_hash(data, label)


def _write(change: Change, edits: Mapping[uuid.UUID, tuple[Example, State]]) -> None:
    """Give each row its new state, hashes included, in one statement."""
    if not edits:
        return
    lines = []
    for row, edit in edits.values():
        new = state_of(row) | edit
        removed = (row.removed_in or change.pk) if new["removed"] else None
        lines.append(
            (
                str(row.pk),
                json.dumps(new["data"]),
                new["label"],
                json.dumps(new["tags"]),
                data_hash(new["data"], new["label"]),
                data_group(new["data"]),
                str(removed) if removed else None,
            )
        )
    columns = [list(column) for column in zip(*lines, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(_UPDATE, [*columns, change.tenant_id, columns[0]])


def _undo(claimed: work.Claim[Change]) -> None:
    change = claimed.row
    with tenant_scope(change.tenant_id):
        claimed.keep(total=ChangeRow.objects.filter(change=change).count())
    kept, done, last = 0, 0, None
    while True:
        with tenant_scope(change.tenant_id):
            entries = ChangeRow.objects.filter(change=change)
            if last is not None:
                entries = entries.filter(pk__gt=last)
            chunk = list(entries.select_related("example").order_by("pk")[:CHUNK_ROWS])
            done += len(chunk)
            claimed.keep(done=done)
            kept += _undo_chunk(change, chunk)
            if len(chunk) < CHUNK_ROWS:
                claimed.end("undone", kept=kept)
                _ended(change.dataset_id)
                return
            last = chunk[-1].pk


def _undo_chunk(change: Change, chunk: Sequence[ChangeRow]) -> int:
    """Restore what is still as the change left it; return how many rows are not."""
    examples = Example.objects.select_for_update().in_bulk([line.example_id for line in chunk])
    edits: dict[uuid.UUID, tuple[Example, State]] = {}
    for line in chunk:
        row = examples[line.example_id]
        now = state_of(row)
        if all(now[name] == value for name, value in line.after.items()):
            edits[row.pk] = (row, line.before)
    clashing = _clashes(change.dataset_id, edits)
    edits = {key: value for key, value in edits.items() if key not in clashing}
    _write(change, edits)
    ChangeRow.objects.filter(change=change, example__in=list(edits)).delete()
    return len(chunk) - len(edits)


def _clashes(
    dataset_id: uuid.UUID, edits: Mapping[uuid.UUID, tuple[Example, State]]
) -> set[uuid.UUID]:
    """Return the rows whose former content came again in the meantime, as another row."""
    hashes = {_hash_after(row, edit): key for key, (row, edit) in edits.items()}
    there = Example.objects.filter(dataset=dataset_id, content_hash__in=list(hashes))
    owners = dict(there.values_list("content_hash", "pk"))
    return {key for value, key in hashes.items() if owners.get(value, key) != key}
