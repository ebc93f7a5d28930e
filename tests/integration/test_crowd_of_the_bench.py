"""The statements that fill the benches' crowd of workspaces fit the tables as they are."""

from __future__ import annotations

import os

import pytest
from django.db import connection

from tenants.models import Tenant
from tenants.scoping.context import tenant_scope
from tests.bench import crowd
from training.datasets.models import Example, Upload

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_small_crowd_has_workspaces_with_uploads_and_rows() -> None:
    server = os.environ["OPS_DATABASE_URL"].rsplit("/", 1)[0]
    crowd.fill(f"{server}/{connection.settings_dict['NAME']}", tenants=3, rows=30)
    made = list(Tenant.objects.all())
    assert len(made) == 3
    rows = 0
    for tenant in made:
        with tenant_scope(tenant.pk):
            rows += Example.objects.count()
            assert Upload.objects.exists()
    assert rows == 30
