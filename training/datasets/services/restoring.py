"""Restoring: the labelled rows of today become those of a frozen version again, as a change.

Rows are the same when their content is. What a version has and a row of today has too (live or
removed) stays or comes back as that row; what nobody has any more goes back into its own row,
or, where that one keeps another content of the version, into a row that is free. So no step
depends on the order of others, and a job that died half-way goes on from where it is.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from modelyard.core import storage
from modelyard.core.errors import Invalid
from tenants.access import Actor
from tenants.scoping.context import tenant_scope
from training.datasets import selectors, sheets
from training.datasets.models import Change, DatasetVersion, Example
from training.datasets.services.changes import (
    ChangeRefused,
    Edit,
    Kind,
    Params,
    State,
    change_start,
    kind_add,
)
from training.datasets.sheets import Sheet

_CHUNK_ROWS = 5_000
_HELD = "frozen.content in (select content from today)"
_STAYS = "today.content in (select content from frozen)"
_PLAN = f"""
create table spare as
  select frozen.content from frozen left join today using (id)
  where not {_HELD} and (today.id is null or {_STAYS}) order by frozen.content
"""  # noqa: S608 - constants
_FREE = f"""
create table free as
  select frozen.id from frozen join today using (id)
  where {_HELD} and not {_STAYS} order by frozen.id
"""  # noqa: S608 - constants


def version_restore(*, actor: Actor, version_id: uuid.UUID) -> Change:
    """Order that the dataset's labelled rows become a version's again; needs an open scope.

    Rows without a label are in no version and stay.

    Raises:
        Conflict: `version_not_frozen`, and those of `change_start`.
    """
    facts = selectors.version_get(version_id)
    params = {"version": str(facts.id), "number": facts.number}
    return change_start(actor=actor, dataset_id=facts.dataset_id, kind="restore", params=params)


def _select(dataset_id: uuid.UUID, _params: Params) -> QuerySet[Example]:
    return Example.objects.filter(dataset=dataset_id)


def _check(dataset_id: uuid.UUID, params: Params) -> None:
    try:
        wanted = uuid.UUID(str(params.get("version")))
    except ValueError:
        wanted = uuid.UUID(int=0)
    if not DatasetVersion.objects.filter(pk=wanted, dataset=dataset_id, status="frozen").exists():
        raise Invalid(
            _("Name a frozen version of this dataset to restore."), code="version_unknown"
        )


def _not_seen(_row: Example, _params: Params) -> State:
    raise Invalid(
        _("Compare the version with the rows of today to see what restoring it changes."),
        code="compare_instead",
    )


@contextmanager
def _opened(change: Change) -> Iterator[Edit]:
    """Yield what each row becomes; the version's rows lie beside those of today meanwhile."""
    with tenant_scope(change.tenant_id):
        facts = selectors.version_get(uuid.UUID(change.params["version"]))
    with Sheet() as sheet:
        path = sheet.folder / "rows.parquet"
        storage.download(facts.rows_key, path)
        sheet.table("frozen")
        for lines in sheets.lines_of(path):
            sheet.add("frozen", lines)
        sheet.run("create index frozen_content on frozen (content)")
        _add_today(sheet, change)
        _assign(sheet)
        whole = sheets.keeps_fields(path)

        def edit(row: Example, _params: Params) -> State:
            return _edit(sheet, row, whole=whole)

        yield edit


def _add_today(sheet: Sheet, change: Change) -> None:
    sheet.run("create table today (id text primary key, content text) without rowid")
    last = uuid.UUID(int=0)
    while True:
        with tenant_scope(change.tenant_id):
            rows = Example.objects.filter(dataset=change.dataset_id, pk__gt=last)
            chunk = list(rows.order_by("pk").values_list("pk", "content_hash")[:_CHUNK_ROWS])
        sheet.run("begin")
        for key, content in chunk:
            sheet.run("insert into today values (?, ?)", str(key), content)
        sheet.run("commit")
        if len(chunk) < _CHUNK_ROWS:
            sheet.run("create index today_content on today (content)")
            return
        last = chunk[-1][0]


def _assign(sheet: Sheet) -> None:
    """Give each content that no row has, and whose own row is not free, a row that is."""
    sheet.run(_PLAN)
    sheet.run(_FREE)
    sheet.run("create table assigned (id text primary key, content text) without rowid")
    spare = [content for (content,) in sheet.ask("select content from spare")]
    free = [key for (key,) in sheet.ask("select id from free limit ?", len(spare))]
    for content, key in zip_longest(spare, free):
        if key is None:
            raise ChangeRefused("rows_gone", rows=len(spare) - len(free))
        sheet.run("insert into assigned values (?, ?)", key, content)


def _edit(sheet: Sheet, row: Example, *, whole: bool) -> State:
    if next(sheet.ask("select 1 from frozen where content = ?", row.content_hash), None):
        return {"removed": False}
    key = str(row.pk)
    own = next(sheet.ask("select content from frozen where id = ?", key), None)
    given = next(sheet.ask("select content from assigned where id = ?", key), None)
    content = given or own
    if content is None:
        return {} if row.label is None else {"removed": True}
    if given is None:
        held = "select 1 from today where content = ? and id <> ?"
        if next(sheet.ask(held, content[0], key), None):
            return {"removed": True}
    facts = "select text, label, fields, image from frozen where content = ?"
    text, label, fields, image = next(sheet.ask(facts, content[0]))
    data = {**row.data, "text": text}
    if whole:
        more = {"fields": fields, "image": image}
        data = {"text": text, **{name: json.loads(one) for name, one in more.items() if one}}
    return {"data": data, "label": label, "removed": False}


kind_add(
    "restore",
    Kind(lazy("Restore a version"), _select, _not_seen, _check, opened=_opened, with_removed=True),
)
