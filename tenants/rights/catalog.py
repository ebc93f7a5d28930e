"""Which tables hold rows of a tenant: asked of PostgreSQL, so that none can be forgotten.

A table is one of them when a column is called `tenant_id` or refers to `tenants_tenant`.
Policies or not: directories (memberships, keys) are among them.
"""

from __future__ import annotations

import graphlib
import uuid
from dataclasses import dataclass

from django.db import connection

_TABLES = """
with owned as (
  select c.oid, c.relname, coalesce(
    max(a.attname) filter (where a.attname = 'tenant_id'), min(a.attname)) as owner
  from pg_class c
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relkind in ('r', 'p') and not c.relispartition
    and c.relnamespace = 'public'::regnamespace
    and (a.attname = 'tenant_id' or exists (
      select from pg_constraint f where f.contype = 'f' and f.conrelid = c.oid
        and f.confrelid = 'public.tenants_tenant'::regclass and f.conkey = array[a.attnum]))
  group by c.oid, c.relname
)
select o.relname::text, o.owner::text,
  (select a.attname::text from pg_index i
    join pg_attribute a on a.attrelid = o.oid and a.attnum = i.indkey[0]
    where i.indrelid = o.oid and i.indisprimary),
  array(select a.attname::text from pg_attribute a
    where a.attrelid = o.oid and a.attnum > 0 and not a.attisdropped order by a.attnum)
from owned o order by o.relname
"""
_EDGES = """
select child.relname::text, parent.relname::text from pg_constraint f
join pg_class child on child.oid = f.conrelid
join pg_class parent on parent.oid = f.confrelid
where f.contype = 'f' and f.conrelid <> f.confrelid
"""


@dataclass(frozen=True)
class Table:
    """A table with rows of tenants.

    Attributes:
        name: Its name.
        owner: Column that names the tenant.
        key: Column of the primary key.
        columns: All columns, in order.
    """

    name: str
    owner: str
    key: str
    columns: tuple[str, ...]


def tables() -> list[Table]:
    """Return every table with rows of tenants, children before their parents.

    Raises:
        graphlib.CycleError: Two tables refer to each other: no order empties them.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        found = {row[0]: Table(row[0], row[1], row[2], tuple(row[3])) for row in cursor.fetchall()}
        cursor.execute(_EDGES)
        edges = [(child, parent) for child, parent in cursor.fetchall()]
    order: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for name in sorted(found):
        order.add(name)
    for child, parent in sorted(edges):
        if child in found and parent in found:
            order.add(parent, child)
    return [found[name] for name in order.static_order()]


def count(table: Table, tenant_id: uuid.UUID) -> int:
    """Return how many rows of the tenant stand in the table; inside its scope, or ops'."""
    # Names come from the catalog itself, never from a request.
    statement = f'select count(*) from "{table.name}" where "{table.owner}" = %s'  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, [tenant_id])
        return int(cursor.fetchone()[0])


def columns(table: str) -> list[str]:
    """Return the columns of a table, in order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select attname::text from pg_attribute where attrelid = to_regclass(%s)"
            " and attnum > 0 and not attisdropped order by attnum",
            [f"public.{table}"],
        )
        return [name for (name,) in cursor.fetchall()]


def references(to: str) -> list[tuple[str, str]]:
    """Return (table, column) of each foreign key from a table without policies to table `to`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select c.relname::text, a.attname::text from pg_constraint f"
            " join pg_class c on c.oid = f.conrelid"
            " join pg_attribute a on a.attrelid = f.conrelid and a.attnum = f.conkey[1]"
            " where f.contype = 'f' and f.confrelid = to_regclass(%s)"
            " and cardinality(f.conkey) = 1 and not c.relrowsecurity order by 1, 2",
            [f"public.{to}"],
        )
        return [(table, column) for table, column in cursor.fetchall()]
