"""Maps for tests: two topics that any reader tells apart, laid out by the real engine."""

from __future__ import annotations

import struct
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

from modelyard.core import storage
from tenants.models import Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import owner_of
from tests.factories_datasets import csv_of, import_file, make_dataset
from training.datasets import mapped, services
from training.datasets.models import Dataset, Example, Map

QUICK_ENGINE = (sys.executable, str(Path(__file__).with_name("fakes") / "map_engine.py"))
SPORT = [
    "The striker scored two goals", "The goalkeeper saved a penalty", "We won the football match",
    "The coach praised the team", "The league game ended in a draw",
]  # fmt: skip
KITCHEN = [
    "Boil the pasta in salted water", "Fry the onions in butter", "The soup needs more pepper",
    "Bake the bread in a hot oven", "Whisk the eggs with sugar",
]  # fmt: skip
A_TOPIC = 25
WRONG = "The striker scored two goals in the rain, report 0"


def two_topics() -> list[tuple[str, str]]:
    """Return 50 rows of two topics; one of sport has the label of the kitchen."""
    rows = []
    for label, texts, place in (
        ("sport", SPORT, "rain, report"),
        ("kitchen", KITCHEN, "pan, dish"),
    ):
        rows += [(f"{texts[n % 5]} in the {place} {n}", label) for n in range(A_TOPIC)]
    return [(text, "kitchen" if text == WRONG else label) for text, label in rows]


@dataclass(frozen=True)
class Spot:
    """One point of a map, with the row it stands for."""

    x: int
    y: int
    differing: int
    area: int
    label: int
    text: str

    @property
    def is_sport(self) -> bool:
        return any(self.text.startswith(text) for text in SPORT)


def make_mapped(tenant: Tenant) -> Dataset:
    """Import two topics and make a map of them."""
    dataset = make_dataset(tenant)
    import_file(tenant, dataset, csv_of(two_topics()))
    order_map(tenant, dataset)
    return dataset


def order_map(tenant: Tenant, dataset: Dataset) -> Map:
    """Order a map; tasks run at once, so it is made after."""
    with tenant_scope(tenant.pk):
        services.map_start(actor=owner_of(tenant), dataset_id=dataset.pk)
    with tenant_scope(tenant.pk):
        return mapped.map_get(dataset.pk)


def spots(tenant: Tenant, dataset: Dataset) -> dict[uuid.UUID, Spot]:
    """Read the points back from the store."""
    with tenant_scope(tenant.pk):
        content = storage.get_bytes(mapped.points_key(dataset.pk))
        texts = {row.pk: row.text for row in Example.objects.filter(dataset=dataset)}
    n = len(content) // 23
    found = [uuid.UUID(bytes=content[16 * i : 16 * i + 16]) for i in range(n)]
    rest = content[16 * n :]
    x, y = struct.unpack(f"<{n}H", rest[: 2 * n]), struct.unpack(f"<{n}H", rest[2 * n : 4 * n])
    columns = [rest[at * n : (at + 1) * n] for at in (4, 5, 6)]
    return {
        one: Spot(x[i], y[i], *(column[i] for column in columns), texts[one])
        for i, one in enumerate(found)
    }
