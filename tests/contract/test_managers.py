"""The first wall: nothing in the product reads a tenant's table past its manager."""

from __future__ import annotations

import re
from pathlib import Path

from django.apps import apps

from tenants.scoping.manager import TenantManager, TenantOwned

ROOT = Path(__file__).resolve().parents[2]
PAST = re.compile(r"_base_manager|_default_manager|\bmodels\.Manager\b|\bQuerySet\(")
ALLOWED = {
    "tenants/scoping/manager.py": "the wall itself",
    "platform/modelyard/core/states.py": "the row's own manager, in the row's own scope",
}


def test_every_manager_of_a_tenants_table_is_the_scoped_one() -> None:
    tables = [model for model in apps.get_models() if issubclass(model, TenantOwned)]
    loose = [
        f"{model.__name__}.{manager.name}"
        for model in tables
        for manager in model._meta.managers
        if not isinstance(manager, TenantManager)
    ]
    assert loose == []
    assert len(tables) >= 15


def test_no_code_goes_past_the_managers() -> None:
    found = {
        str(path.relative_to(ROOT))
        for folder in ("platform", "tenants", "training", "billing")
        for path in (ROOT / folder).rglob("*.py")
        if "migrations" not in path.parts and PAST.search(path.read_text())
    }
    assert found == set(ALLOWED)
