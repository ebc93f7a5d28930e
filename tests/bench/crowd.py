"""Fills a database with many workspaces by a few statements, as the role that passes policies.

However many workspaces there are, the rows are as many: what differs is the tenants alone.
"""

from __future__ import annotations

from contextlib import closing

import psycopg2

ROWS = 100_000
"""Examples, audit events, seals and ledger lines, each; datasets are a tenth."""

_ID = "uuidv7()"
_STATEMENTS = """
insert into tenants_user (id, email, name, password, is_active, is_staff, is_superuser, date_joined)
  select {id}, 'crowd' || n || '@example.com', '', '!', true, false, false, now()
  from generate_series(1, {tenants}) n;
insert into tenants_tenant (id, slug, name, status, created_at)
  select {id}, 'crowd-' || n, 'Crowd ' || n, 'active', now() from generate_series(1, {tenants}) n;
insert into tenants_membership (id, tenant_id, user_id, role, created_at)
  select {id}, t.id, u.id, 'owner', now() from tenants_tenant t
  join tenants_user u on u.email = replace(t.slug, '-', '') || '@example.com'
  where t.slug like 'crowd-%';
create temporary table whose as
  select id, row_number() over () - 1 as place from tenants_tenant where slug like 'crowd-%';
insert into datasets_dataset (id, tenant_id, created_at, name, task)
  select {id}, w.id, now(), 'dataset ' || n, 'text_classification'
  from generate_series(1, {rows} / 10) n join whose w on w.place = n % {tenants};
create temporary table sets as select id, tenant_id, row_number() over () - 1 as place
  from datasets_dataset where name like 'dataset %';
insert into datasets_upload (id, tenant_id, created_at, dataset_id, filename, status, moved_at,
  storage_key, multipart_id, bytes, sha256, format, encoding, mapping, preview, attempt, bytes_done,
  rows_read, rows_added, rows_repeated, rows_rejected, rejects, rejects_key, error_code, error_data,
  fingerprint, collected, image_bytes)
  select s.id, s.tenant_id, now(), s.id, 'a.csv', 'done', now(), '', '', 1, '', 'csv', 'utf-8',
  '{{}}', '{{}}', 1, 1, 10, 10, 0, 0, '[]', '', '', '{{}}',
  '', false, 0 from sets s;
insert into datasets_example (id, tenant_id, created_at, dataset_id, upload_id, line, data, label,
  content_hash, group_hash, tags)
  select {id}, s.tenant_id, now(), s.id, s.id, n, '{{"text": "fine"}}', 'good',
  md5(n::text), md5(n::text), '{{}}'
  from generate_series(1, {rows}) n join sets s on s.place = n % ({rows} / 10);
insert into tenants_auditevent (id, tenant_id, created_at, actor_kind, actor_id, action,
  object_kind, object_id, facts, request_id)
  select uuidv7(n * interval '-1 minute'), w.id, now(), 'system', 'system',
  'dataset.created', 'dataset', {id}, '{{}}', ''
  from generate_series(1, {rows}) n join whose w on w.place = n % {tenants};
insert into trail_seal (id, tenant_id, seq, hash, sealed_at)
  select e.id, e.tenant_id, row_number() over (partition by e.tenant_id), md5(e.id::text), now()
  from tenants_auditevent e join whose w on w.id = e.tenant_id;
insert into trail_anchor (id, tenant_id, created_at, seq)
  select {id}, tenant_id, now(), max(seq) from trail_seal
  where tenant_id in (select id from whose) group by tenant_id;
insert into billing_entry (id, tenant_id, created_at, entry_id, meter, amount, at, subject)
  select {id}, w.id, now(), n, 'predictions', 1, now(), '{{}}'
  from generate_series(1, {rows}) n join whose w on w.place = n % {tenants}
"""


def fill(ops_url: str, tenants: int, rows: int = ROWS) -> None:
    """Add `tenants` workspaces, each with a person, and `rows` rows spread over them.

    Args:
        ops_url: Address of the database with the login that may become `modelyard_ops`.
    """
    with closing(psycopg2.connect(ops_url)) as connection, connection.cursor() as cursor:
        cursor.execute("set role modelyard_ops")
        for statement in _STATEMENTS.format(id=_ID, tenants=tenants, rows=rows).split(";"):
            cursor.execute(statement)
        connection.commit()
        cursor.execute("reset role")


def settle(owner_url: str) -> None:
    """Bring statistics and visibility up to date, as they are in a database that has lived."""
    with closing(psycopg2.connect(owner_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("vacuum analyze")
