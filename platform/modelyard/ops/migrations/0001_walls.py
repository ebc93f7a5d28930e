"""PostgreSQL refuses what only the schema's owner may do, whatever the code says.

Nobody but the owner makes operators: a trigger compares the two flags of a person, and the
tables that give roles are closed to the web's and the operators' logins. The audit trail, the
ledger and the runs' events only grow, for the operators' role too.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

GUARD = """
create or replace function ops_guard_flags() returns trigger
language plpgsql set search_path = pg_catalog, public as $$
begin
  if pg_has_role(session_user, (select relowner from pg_class where oid = tg_relid), 'member') then
    return new;
  end if;
  if tg_op = 'INSERT' and (new.is_staff or new.is_superuser)
     or tg_op = 'UPDATE' and (new.is_staff, new.is_superuser)
                             is distinct from (old.is_staff, old.is_superuser) then
    raise exception 'only the owner of the schema makes operators' using errcode = '42501';
  end if;
  return new;
end $$;
create trigger ops_guard_flags before insert or update on tenants_user
  for each row execute function ops_guard_flags();
"""
UNGUARD = """
drop trigger ops_guard_flags on tenants_user;
drop function ops_guard_flags();
"""
# Deleting stays: a person who goes takes their rows along, and a role lost gives nobody more.
ROLES = ("tenants_user_groups", "tenants_user_user_permissions")
GROUPS = ("auth_group", "auth_group_permissions")
GROWING = ("tenants_auditevent", "billing_entry", "jobs_runevent")
LOGINS = "modelyard_web, modelyard_ops"


def _close(verb: str, direction: str) -> str:
    return "\n".join(
        [
            *(f"{verb} insert, update on {table} {direction} {LOGINS};" for table in ROLES),
            *(
                f"{verb} insert, update, delete on {table} {direction} {LOGINS};"
                for table in GROUPS
            ),
            *(f"{verb} update, delete on {table} {direction} modelyard_ops;" for table in GROWING),
        ]
    )


class Migration(migrations.Migration):
    """Triggers and grants; no table."""

    dependencies: ClassVar = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("tenants", "0001_initial"),
        ("billing", "0001_initial"),
        ("jobs", "0001_initial"),
    ]
    operations: ClassVar = [
        migrations.RunSQL(GUARD, UNGUARD),
        migrations.RunSQL(_close("revoke", "from"), _close("grant", "to")),
    ]
