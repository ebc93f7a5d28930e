"""The one statement that puts examples into a dataset, from files and from programs alike."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import connection

from training.datasets.hashes import data_group, data_hash
from training.datasets.models import Upload

# COPY is not possible under row-level security; one statement takes a whole batch.
_INSERT = """
insert into datasets_example
  (id, tenant_id, created_at, dataset_id, upload_id, line, data, label, content_hash, group_hash,
   tags, origin)
select row.id, %s, now(), %s, %s, row.line, row.data::jsonb, row.label, row.content_hash,
  row.group_hash,
  case when row.tags is null then '{}'
    else array(select jsonb_array_elements_text(row.tags::jsonb)) end,
  row.origin::jsonb
from unnest(%s::uuid[], %s::int[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
    %s::text[])
  as row (id, line, data, label, content_hash, group_hash, tags, origin)
on conflict (tenant_id, dataset_id, content_hash) do nothing
"""


class NewRow(NamedTuple):
    """A row that was checked and is to be stored.

    Attributes:
        text: Of an image, its name.
        fields: What else its record holds, or None.
        tags: Sorted, or None.
        origin: Where it comes from, where a pull wrote it, or None.
        image: What a row that is an image has as `Example.image`, else None.
    """

    line: int
    text: str
    label: str | None
    fields: dict[str, Any] | None = None
    tags: list[str] | None = None
    origin: dict[str, Any] | None = None
    image: dict[str, Any] | None = None

    @property
    def data(self) -> dict[str, Any]:
        """What the row's `data` is."""
        more = {"fields": self.fields, "image": self.image}
        return {"text": self.text, **{name: value for name, value in more.items() if value}}


def rows_insert(upload: Upload, keys: Sequence[str], rows: Sequence[NewRow]) -> int:
    """Insert rows under these ids, except true repeats; return how many were new.

    Needs an open scope. A repeat of a removed row adds nothing either.
    """
    if not rows:
        return 0
    data = [row.data for row in rows]
    columns: list[list[Any]] = [
        list(keys),
        [row.line for row in rows],
        [json.dumps(one, ensure_ascii=False) for one in data],
        [row.label for row in rows],
        [data_hash(one, row.label) for one, row in zip(data, rows, strict=True)],
        [data_group(one) for one in data],
        [json.dumps(row.tags) if row.tags else None for row in rows],
        [json.dumps(row.origin) if row.origin else None for row in rows],
    ]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [upload.tenant_id, upload.dataset_id, upload.pk, *columns])
        return int(cursor.rowcount)


def hash_of(row: NewRow) -> str:
    """Return the content hash under which the row is stored."""
    return data_hash(row.data, row.label)
