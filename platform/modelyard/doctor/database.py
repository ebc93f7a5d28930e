"""PostgreSQL: the login, the walls between tenants, the schema, the clock.

Row-level security says nothing to superusers, to BYPASSRLS and (unless forced) to a table's
owner: PostgreSQL manual, section 5.9. A platform on such a login works and is wide open, which
is why it has to be looked for.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.db import Error, connection, transaction
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.executor import MigrationExecutor

from modelyard.core import clock
from modelyard.doctor.findings import Finding, fine, passed_over, plain, wrong
from tenants.scoping.manager import TenantOwned

OPS_ROLE = "modelyard_ops"
LEDGERS = ("tenants_auditevent", "billing_entry")
"""Tables to which the web login may only add."""

SKEW_SECONDS = 5.0
_POLICY = "(tenant_id = ( SELECT app_tenant_strict() AS app_tenant_strict))"
_SHOWN = 5
_ROLES = "Run deploy/postgres/roles.sql in this database as its administrator"


def database_checks(*, is_ops: bool) -> list[Finding]:
    """Look at the database of DATABASE_URL.

    Args:
        is_ops: Whether this process is the console or the scheduler, whose login may become
            the role that sees all tenants.
    """
    reached = _reachable()
    checks: dict[str, Callable[[], Finding]] = {
        "database_login": _login,
        "database_login_owns_nothing": _owns_nothing,
        "database_ops_role": lambda: _ops_role(is_ops=is_ops),
        "database_migrated": _migrated,
        "database_row_security": _row_security,
        "database_tenant_required": _tenant_required,
        "database_ledgers": lambda: _ledgers(is_ops=is_ops),
        "database_clock": _clock,
    }
    if reached.do:
        why = "The database can't be asked."
        return [reached, *(passed_over(code, why) for code in checks)]
    return [reached, *(_asked(code, check) for code, check in checks.items())]


def _asked(code: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Error as error:
        return wrong(
            code,
            f"PostgreSQL refused the question: {plain(error)}.",
            f"{_ROLES}, then `modelyard migrate` as modelyard_owner.",
        )


def _rows(sql: str, *values: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [tuple(row) for row in cursor.fetchall()]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(sorted(names)[:_SHOWN]) + more


def _reachable() -> Finding:
    code = "database_reachable"
    place = "{HOST}:{PORT}/{NAME}".format(**connection.settings_dict)
    try:
        [(user, version)] = _rows("select session_user, current_setting('server_version')")
    except Error as error:
        return wrong(
            code,
            f"PostgreSQL at {place} can't be reached: {plain(error)}.",
            "Check host, port, user, password and database in DATABASE_URL, and that it runs.",
        )
    return fine(code, f"PostgreSQL {version} at {place} answers {user}.")


def _login() -> Finding:
    code = "database_login"
    [(user, is_super, bypasses)] = _rows(
        "select rolname, rolsuper, rolbypassrls from pg_roles where rolname = session_user"
    )
    power = "a superuser" if is_super else "a role with BYPASSRLS" if bypasses else ""
    if power:
        return wrong(
            code,
            f"The login {user} is {power}: row-level security does not bind it, so a mistake in "
            "the code can show one tenant's rows to another.",
            f"{_ROLES} and put modelyard_web in DATABASE_URL.",
        )
    return fine(code, f"The login {user} is bound by row-level security.")


def _owns_nothing() -> Finding:
    code = "database_login_owns_nothing"
    owned = [
        name
        for (name,) in _rows(
            "select relname from pg_class c join pg_roles r on r.oid = c.relowner"
            " where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
            " and (r.rolname = session_user or (pg_has_role(session_user, r.oid, 'MEMBER')"
            "  and not (select rolsuper from pg_roles where rolname = session_user)))"
        )
    ]
    if owned:
        return wrong(
            code,
            f"This login owns {len(owned)} tables ({_some(owned)}): it could switch their "
            "policies off.",
            "Put modelyard_web in DATABASE_URL; modelyard_owner is for `modelyard migrate` alone.",
        )
    return fine(code, "The login owns no table, so it can't switch policies off.")


def _ops_role(*, is_ops: bool) -> Finding:
    code = "database_ops_role"
    try:
        with transaction.atomic():
            _rows(f"set local role {OPS_ROLE}; select 1")
    except Error as error:
        refused = f"PostgreSQL refuses this login the role {OPS_ROLE}: {plain(error)}"
        if is_ops:
            return wrong(
                code,
                f"{refused}. The console and the scheduler can't work.",
                "Put modelyard_ops_login in this process's DATABASE_URL.",
            )
        return fine(code, f"{refused}.")
    if is_ops:
        return fine(code, f"This login may become {OPS_ROLE}, as console and scheduler must.")
    return wrong(
        code,
        f"This login may become {OPS_ROLE}, which sees the rows of all tenants.",
        "Put modelyard_web in DATABASE_URL. If this is the environment of the scheduler or of the "
        "console, run `modelyard doctor --ops`.",
    )


def _migrated() -> Finding:
    code = "database_migrated"
    do = "Run `modelyard migrate` with the login modelyard_owner in DATABASE_URL."
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except InconsistentMigrationHistory as error:
        return wrong(code, f"The schema's history does not fit this version: {plain(error)}.", do)
    if plan:
        names = [f"{step.app_label}.{step.name}" for step, _backwards in plan]
        return wrong(code, f"{len(plan)} migrations are not applied: {_some(names)}.", do)
    return fine(code, "All migrations are applied.")


def _tenant_tables() -> set[str]:
    owned = [model for model in apps.get_models() if issubclass(model, TenantOwned)]
    return {model._meta.db_table for model in owned}  # noqa: SLF001 - Django's own, documented


def _row_security() -> Finding:
    code = "database_row_security"
    wanted = _tenant_tables()
    facts = {
        str(name): (is_on, is_forced, policies)
        for name, is_on, is_forced, policies in _rows(
            "select c.relname, c.relrowsecurity, c.relforcerowsecurity,"
            " (select array_agg(coalesce(p.qual, '') || coalesce(p.with_check, p.qual, ''))"
            "  from pg_policies p where p.schemaname = 'public' and p.tablename = c.relname)"
            " from pg_class c where c.relnamespace = 'public'::regnamespace"
            " and c.relkind in ('r', 'p')"
        )
    }
    faults = []
    for table in sorted(wanted):
        is_on, is_forced, policies = facts.get(table, (None, None, None))
        if is_on is None:
            faults.append(f"{table} is missing")
        elif not is_on:
            faults.append(f"{table} has it off")
        elif not is_forced:
            faults.append(f"{table} does not force it on its owner")
        elif policies != [_POLICY * 2]:
            faults.append(f"{table} has another policy than the tenant's")
    if faults:
        return wrong(
            code,
            f"Row-level security is not whole: {_some(faults)}. Rows of one tenant may be seen "
            "by another.",
            "Stop the site. As modelyard_owner: `alter table ... enable row level security; alter "
            "table ... force row level security`, drop policies other than `tenant`, and run "
            "`modelyard migrate` if a table is missing. Then run the doctor again.",
        )
    return fine(code, f"All {len(wanted)} tenant tables have the tenant's policy, forced.")


def _tenant_required() -> Finding:
    code = "database_tenant_required"
    try:
        with transaction.atomic():
            _rows("select set_config('app.tenant_id', '', true), app_tenant_strict()")
    except Error as error:
        if getattr(error.__cause__, "pgcode", "") == "42501":
            return fine(code, "Without a tenant, PostgreSQL refuses instead of showing nothing.")
        raise
    return wrong(
        code,
        "app_tenant_strict() accepts a session without a tenant.",
        "Somebody replaced that function: restore it from tenants/scoping/rls.py as "
        "modelyard_owner.",
    )


def _ledgers(*, is_ops: bool) -> Finding:
    code = "database_ledgers"
    if is_ops:
        return passed_over(code, "Asked of the web login only: run the doctor there too.")
    open_to = [
        f"{table} allows {verb}"
        for table in LEDGERS
        for verb in ("UPDATE", "DELETE", "TRUNCATE")
        if _rows("select has_table_privilege(%s, %s)", table, verb)[0][0]
    ]
    if open_to:
        return wrong(
            code,
            f"Ledger and audit log can be changed by this login: {_some(open_to)}.",
            "As modelyard_owner: `revoke update, delete, truncate on "
            f"{', '.join(LEDGERS)} from modelyard_web`, and use modelyard_web.",
        )
    return fine(code, "Ledger and audit log can only be added to.")


def _clock() -> Finding:
    before = clock.now()
    with connection.cursor() as cursor:
        cursor.execute("select clock_timestamp()")
        there: dt.datetime = cursor.fetchone()[0]
    return clock_compared("database_clock", "PostgreSQL's", there, before)


def clock_compared(code: str, whose: str, there: dt.datetime, before: dt.datetime) -> Finding:
    """Compare another host's clock, read since `before`, with ours."""
    middle = before + (clock.now() - before) / 2
    skew = (there - middle).total_seconds()
    if abs(skew) > SKEW_SECONDS:
        return wrong(
            code,
            f"{whose} clock differs from this host's by {skew:+.1f} s: leases end too early or "
            "too late, and signed addresses may be refused.",
            "Let both hosts follow the same time servers (chrony, systemd-timesyncd).",
        )
    return fine(code, f"{whose} clock differs from this host's by {abs(skew):.2f} s.")
