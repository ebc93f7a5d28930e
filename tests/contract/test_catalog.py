"""Walk PostgreSQL's catalog: a table that is not a tenant's must be on the list of directories."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import connection

pytestmark = pytest.mark.django_db

DIRECTORIES = {
    "tenants_user", "tenants_user_groups", "tenants_user_user_permissions", "tenants_tenant",
    "tenants_membership", "tenants_apikey", "django_migrations", "django_content_type",
    "django_session", "auth_group", "auth_group_permissions", "auth_permission",
    "account_emailaddress", "account_emailconfirmation", "mfa_authenticator",
    # A person's own, looked up while they sign in, before a workspace is known.
    "usersessions_usersession", "socialaccount_socialaccount", "socialaccount_socialapp",
    "socialaccount_socialtoken",
    "django_admin_log",
    "billing_stripeevent", "members_invitation",
    # Stands when the workspace or person is gone: the tombstone.
    "rights_deletion",
    # Of operators, about the whole site or across tenants; the web only reads them.
    "controls_switch", "controls_operatoract", "controls_flag", "controls_flagtenant",
    # Of django-waffle, unused: only its flags are, as `controls_flag`.
    "waffle_switch", "waffle_sample",
}  # fmt: skip
"""Looked up before a tenant is known, or of the frame itself."""


def rows(sql: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def tenant_tables() -> set[str]:
    found = rows(
        "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
    )
    return {str(name) for (name,) in found} - DIRECTORIES


def test_every_table_is_a_tenants_with_a_forced_policy_or_a_known_directory() -> None:
    forced = rows(
        "select c.relname from pg_class c join pg_policies p on p.tablename = c.relname"
        " where c.relrowsecurity and c.relforcerowsecurity"
        " and p.qual like '%app_tenant_strict%' and p.with_check like '%app_tenant_strict%'"
    )
    assert tenant_tables() == {str(name) for (name,) in forced}
    assert len(forced) >= 10


def test_every_tenant_table_has_a_tenant_that_can_not_be_null_and_the_composite_key() -> None:
    columns = rows(
        "select table_name from information_schema.columns"
        " where column_name = 'tenant_id' and is_nullable = 'NO' and table_schema = 'public'"
    )
    keyed = rows(
        "select conrelid::regclass::text from pg_constraint where contype = 'u'"
        " and pg_get_constraintdef(oid) = 'UNIQUE (tenant_id, id)'"
    )
    assert tenant_tables() <= {str(name) for (name,) in columns}
    assert tenant_tables() == {str(name) for (name,) in keyed}


def test_every_foreign_key_between_tenant_tables_carries_the_tenant() -> None:
    found = rows(
        "select conrelid::regclass::text, confrelid::regclass::text, pg_get_constraintdef(oid)"
        " from pg_constraint where contype = 'f'"
    )
    tables = tenant_tables()
    among = [row for row in found if {row[0], row[1]} <= tables]
    plain = [row for row in among if "(tenant_id, " not in str(row[2])]
    assert plain == []


def test_every_reference_of_a_model_to_a_tenant_table_has_its_composite_key() -> None:
    constraints = {
        (str(table), str(definition))
        for table, definition in rows(
            "select conrelid::regclass::text, pg_get_constraintdef(oid) from pg_constraint"
            " where contype = 'f'"
        )
    }
    missing = []
    tables = tenant_tables()
    for model in apps.get_models():
        for field in model._meta.local_fields:
            target = field.related_model._meta.db_table if field.is_relation else ""
            if model._meta.db_table in tables and target in tables:
                wanted = (
                    f"FOREIGN KEY (tenant_id, {field.column}) REFERENCES {target}(tenant_id, id)"
                )
                if not any(
                    table == model._meta.db_table and definition.startswith(wanted)
                    for table, definition in constraints
                ):
                    missing.append(f"{model._meta.db_table}.{field.column}")
    assert missing == []


def test_indexes_of_tenant_tables_lead_with_the_tenant() -> None:
    found = rows(
        "select tablename, indexname, indexdef from pg_indexes where schemaname = 'public'"
    )
    tables = tenant_tables()
    wrong = [
        name
        for table, name, definition in found
        if table in tables
        and not str(name).endswith("_pkey")
        # Partial indexes by which the scheduler finds open work of all tenants.
        and not (str(name).endswith("_open") and " WHERE " in str(definition))
        # A customer of Stripe is looked up before its tenant is known.
        and name != "billing_account_customer"
        and "(tenant_id" not in str(definition)
    ]
    assert wrong == []


def test_append_only_tables_let_the_web_login_add_rows_and_nothing_else() -> None:
    for table in ("tenants_auditevent", "billing_entry"):
        allowed = rows(
            "select p, has_table_privilege('modelyard_web', '"
            + table
            + "', p) from unnest(array['INSERT','SELECT','UPDATE','DELETE','TRUNCATE']) p"
        )
        assert {name for name, yes in allowed if yes} == {"INSERT", "SELECT"}, table


def test_views_see_no_more_than_whoever_asks() -> None:
    found = rows(
        "select relname, relkind, coalesce(reloptions, '{}') from pg_class"
        " where relkind in ('v', 'm') and relnamespace = 'public'::regnamespace"
    )
    owned = [
        name
        for name, kind, options in found
        if kind == "m" or "security_invoker=true" not in list(options)  # type: ignore[call-overload]
    ]
    assert owned == []


def test_functions_that_borrow_rights_belong_to_the_definer_and_none_skips_policies() -> None:
    found = rows(
        "select proname from pg_proc where pronamespace = 'public'::regnamespace"
        " and (proleakproof or prosecdef and pg_get_userbyid(proowner) <> 'modelyard_definer')"
    )
    assert found == []
