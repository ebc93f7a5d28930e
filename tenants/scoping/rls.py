"""Migration operations of the second and third wall: row-level security, composite keys.

Row-level security: PostgreSQL manual, section 5.9. A policy that finds no tenant raises
(42501) instead of returning nothing, so that a forgotten scope can't pass for an empty table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

STRICT_FUNCTION = """
create or replace function app_tenant_strict() returns uuid
language plpgsql stable parallel safe as $$
declare v text := current_setting('app.tenant_id', true);
begin
  if v is null or v = '' then
    raise exception 'tenant not set' using errcode = '42501';
  end if;
  return v::uuid;
end $$
"""

DEFAULT_GRANTS = """
alter default privileges in schema public
  grant select, insert, update, delete on tables to modelyard_web, modelyard_ops;
alter default privileges in schema public
  grant usage, select on sequences to modelyard_web, modelyard_ops;
grant usage on schema public to modelyard_web, modelyard_ops
"""


class _Sql(Operation):
    """An operation that only runs statements."""

    reduces_to_sql = True
    reversible = True

    def forwards(self) -> list[str]:
        """Return the statements that apply it."""
        raise TypeError("subclasses say which statements")

    def backwards(self) -> list[str]:
        """Return the statements that undo it."""
        return []

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Models don't change."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Apply."""
        for statement in self.forwards():
            schema_editor.execute(statement)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Undo."""
        for statement in self.backwards():
            schema_editor.execute(statement)


class TenancyFoundation(_Sql):
    """The strict function and the default grants; once, before every table."""

    def forwards(self) -> list[str]:
        """Return the statements that apply it."""
        return [STRICT_FUNCTION, *DEFAULT_GRANTS.split(";")]

    def describe(self) -> str:
        """Say what it does."""
        return "Create app_tenant_strict() and the default grants"


class TenantTable(_Sql):
    """Make `table` a tenant's: forced policy, UNIQUE (tenant_id, id), composite foreign keys.

    Args:
        table: Name of the table, e.g. `datasets_example`.
        parents: Column -> parent table, for each foreign key to another tenant table
            (the Django field has `db_constraint=False`). Rows go with their parent.
        keep: Columns whose parent must not be deleted while the row stands.
    """

    def __init__(
        self, table: str, parents: Mapping[str, str] | None = None, keep: tuple[str, ...] = ()
    ) -> None:
        """Keep the arguments (Django deconstructs them)."""
        self.table = table
        self.parents = dict(parents or {})
        self.keep = keep

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return what recreates it."""
        return (
            type(self).__name__,
            (),
            {"table": self.table, "parents": self.parents, "keep": self.keep},
        )

    def forwards(self) -> list[str]:
        """Return the statements that apply it."""
        table = self.table
        policy = "tenant_id = (select app_tenant_strict())"
        statements = [
            f"alter table {table} add constraint {table}_tenant_id_id unique (tenant_id, id)",
            (
                f"alter table {table} add constraint {table}_tenant_fk foreign key (tenant_id) "
                "references tenants_tenant (id) on delete cascade"
            ),
        ]
        for column, parent in self.parents.items():
            action = "no action" if column in self.keep else "cascade"
            constraint = (
                f"alter table {table} add constraint {table}_{column}_tenant_fk "
                f"foreign key (tenant_id, {column}) references {parent} (tenant_id, id) "
                f"on delete {action} deferrable initially immediate"
            )
            # PostgreSQL checks the rows that are there with a query that obeys policies:
            # unforced for that moment, its owner sees (and so really checks) all of them.
            if parent == table:
                statements.append(constraint)
            else:
                statements += [
                    f"alter table {parent} no force row level security",
                    constraint,
                    f"alter table {parent} force row level security",
                ]
        return [
            *statements,
            f"alter table {table} enable row level security",
            f"alter table {table} force row level security",
            f"create policy tenant on {table} using ({policy}) with check ({policy})",
        ]

    def backwards(self) -> list[str]:
        """Return the statements that undo it."""
        table = self.table
        constraints = [f"{table}_{column}_tenant_fk" for column in self.parents]
        constraints += [f"{table}_tenant_fk", f"{table}_tenant_id_id"]
        return [
            *(f"alter table {table} drop constraint {name}" for name in constraints),
            f"drop policy tenant on {table}",
            f"alter table {table} no force row level security",
            f"alter table {table} disable row level security",
        ]

    def describe(self) -> str:
        """Say what it does."""
        return f"Make {self.table} a tenant's table"


class AppendOnly(_Sql):
    """Let the web login and the operators' role add rows to `table` and nothing else."""

    def __init__(self, table: str) -> None:
        """Keep the table's name."""
        self.table = table

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return what recreates it."""
        return (type(self).__name__, (), {"table": self.table})

    def forwards(self) -> list[str]:
        """Return the statements that apply it."""
        return [
            f"revoke update, delete, truncate on {self.table} from modelyard_web, modelyard_ops"
        ]

    def backwards(self) -> list[str]:
        """Return the statements that undo it."""
        return [f"grant update, delete on {self.table} to modelyard_web, modelyard_ops"]

    def describe(self) -> str:
        """Say what it does."""
        return f"Make {self.table} append-only"
