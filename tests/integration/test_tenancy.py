"""The three walls, tried through the tables that exist from the first migration."""

from __future__ import annotations

import uuid

import pytest
from django.db import DatabaseError, connection, transaction

from tenants.models import AuditEvent, IdempotencyRecord
from tenants.scoping.context import ScopeMissing, ops_scope, tenant_scope
from tests.factories import make_tenant

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_query_outside_a_scope_raises() -> None:
    with pytest.raises(ScopeMissing):
        AuditEvent.objects.count()


def test_raw_sql_without_a_tenant_raises_and_does_not_return_nothing() -> None:
    make_tenant()
    with (
        pytest.raises(DatabaseError, match="tenant not set"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("select count(*) from tenants_auditevent")


def test_each_scope_sees_its_own_rows_and_nesting_restores_the_outer_one() -> None:
    one, two = make_tenant(), make_tenant()
    with tenant_scope(one.pk):
        assert {row.tenant_id for row in AuditEvent.objects.all()} == {one.pk}
        with tenant_scope(two.pk):
            assert {row.tenant_id for row in AuditEvent.objects.all()} == {two.pk}
        assert {row.tenant_id for row in AuditEvent.objects.all()} == {one.pk}
        with connection.cursor() as cursor:
            cursor.execute("select distinct tenant_id from tenants_auditevent")
            assert cursor.fetchall() == [(one.pk,)]


def test_writing_a_row_of_another_tenant_is_refused() -> None:
    one, two = make_tenant(), make_tenant()
    with pytest.raises(DatabaseError, match="row-level security"), tenant_scope(one.pk):
        IdempotencyRecord.objects.create(
            tenant_id=two.pk, key="k", route="r", request_hash="h", status=200
        )


def test_the_scope_ends_with_its_block_even_after_an_error() -> None:
    one = make_tenant()
    with pytest.raises(ZeroDivisionError), tenant_scope(one.pk):
        raise ZeroDivisionError
    with pytest.raises(ScopeMissing):
        AuditEvent.objects.count()


def test_the_ops_scope_sees_all_tenants_and_is_left_again() -> None:
    one, two = make_tenant(), make_tenant()
    with ops_scope("test"):
        assert {row.tenant_id for row in AuditEvent.objects.all()} == {one.pk, two.pk}
    with (
        pytest.raises(DatabaseError, match="tenant not set"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("select count(*) from tenants_auditevent")


def test_a_tenant_id_that_does_not_exist_can_own_nothing() -> None:
    with pytest.raises(DatabaseError), tenant_scope(uuid.uuid4()):
        IdempotencyRecord.objects.create(key="k", route="r", request_hash="h", status=200)


def test_an_sql_error_in_a_nested_scope_is_the_error_that_is_seen() -> None:
    one, two = make_tenant(), make_tenant()
    with tenant_scope(one.pk):
        with (
            pytest.raises(DatabaseError, match="division by zero"),
            tenant_scope(two.pk),
            connection.cursor() as cursor,
        ):
            cursor.execute("select 1 / 0")
        assert {row.tenant_id for row in AuditEvent.objects.all()} == {one.pk}
