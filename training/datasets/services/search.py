"""Filling what search reads, after rows came in: a readable import first, a searchable one soon."""

from __future__ import annotations

import uuid

from django.db import connection
from django.db.models import F

from modelyard.core import clock, queue
from tenants.scoping.context import current_tenant_id, tenant_scope
from training.datasets.models import SearchIndex, SearchRow
from training.datasets.services import work
from training.datasets.services.sweeping import work_add
from training.datasets.states import WORK

CHUNK_ROWS = 5_000
_FIRST = uuid.UUID(int=0)
_FILL = """
with chunk as materialized (
  select id, data ->> 'text' as text from datasets_example
  where tenant_id = %(tenant)s and dataset_id = %(dataset)s and id > %(after)s
  order by id limit %(most)s),
added as (
  insert into datasets_searchrow (id, tenant_id, created_at, dataset_id, folded)
  select id, %(tenant)s, now(), %(dataset)s, datasets_fold(text) from chunk
  on conflict (id) do nothing returning 1)
select (select count(*) from added), count(*), max(id::text)::uuid from chunk
"""

work_add(SearchIndex, "datasets.search", "index_id")


def search_start(*, dataset_id: uuid.UUID) -> None:
    """Have new rows of a dataset made searchable; needs an open scope.

    What there is to do is marked by a trigger with the rows themselves, so a call that is
    forgotten costs a sweep, never a row.
    """
    index = SearchIndex.objects.filter(dataset=dataset_id, status="waiting").first()
    if index is not None:
        queue.enqueue("datasets.search", tenant_id=str(current_tenant_id()), index_id=str(index.pk))


def search_run(*, tenant_id: uuid.UUID, index_id: uuid.UUID) -> None:
    """Fill until no row is missing, unless somebody does; delivered twice, done once."""
    claimed = work.claim(SearchIndex, tenant_id=tenant_id, row_id=index_id)
    if claimed is None:
        return
    try:
        while _step(claimed):
            pass
    except work.WorkLost:
        return


def _step(claimed: work.Claim[SearchIndex]) -> bool:
    """Cover some rows; return whether there may be more.

    Rows that came while this looked may have ids before its last one: then it goes back to
    the first that may be missing, and finds most of them covered.
    """
    index = claimed.row
    with tenant_scope(index.tenant_id):
        before = SearchIndex.objects.get(pk=index.pk)
        since = before.since or _FIRST
        after = uuid.UUID(int=max(0, since.int - 1))
        values = {"tenant": index.tenant_id, "dataset": index.dataset_id, "after": after}
        with connection.cursor() as cursor:
            cursor.execute("set local synchronous_commit = off")
            cursor.execute(_FILL, {**values, "most": CHUNK_ROWS})
            added, seen, last = cursor.fetchone()
        now = SearchIndex.objects.select_for_update().get(pk=index.pk)
        if now.marks != before.marks:
            claimed.keep(done=F("done") + added)
            return True
        if seen < CHUNK_ROWS:
            covered = SearchRow.objects.filter(dataset=index.dataset_id).count()
            claimed.keep(since=None, done=covered, total=covered)
            # Not `end`: nobody did anything, so the trail says nothing.
            at = clock.now()
            WORK.require(claimed.row, "done", moved_at=at, finished_at=at, lease_until=None)
            return False
        claimed.keep(done=F("done") + added, since=uuid.UUID(int=last.int + 1))
        return True
