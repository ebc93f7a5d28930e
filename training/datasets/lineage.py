"""Where versions come from and where they go: parents, changes, imports, and what uses them.

What stands above datasets (runs, models, deployments) adds itself to `askers_of_use` at start.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from training.datasets import selectors
from training.datasets.models import Change, DatasetVersion, Example, Upload, VersionRow


@dataclass(frozen=True)
class Use:
    """Something that was made from a version.

    Attributes:
        kind: `run`, `gain` (being measured), `model` or `deployment`.
        id: Of that thing.
        title: As people call it.
        status: Its state.
        version_id: The dataset version.
        page: Name of its page's address.
        page_id: What the address takes.
        busy: It needs the version's rows now.
    """

    kind: str
    id: uuid.UUID
    title: str
    status: str
    version_id: uuid.UUID
    page: str
    page_id: str
    busy: bool = False


@dataclass(frozen=True)
class Origins:
    """What made a version's rows: the version before it, and what happened since."""

    parent: DatasetVersion | None
    changes: tuple[Change, ...]
    imports: tuple[Upload, ...]


@dataclass(frozen=True)
class Placing:
    """A version that has a row, in which split, and what was made from that version."""

    version: DatasetVersion
    split: str
    uses: tuple[Use, ...]


askers_of_use: list[Callable[[Sequence[uuid.UUID]], Iterable[Use]]] = []
SHOWN = 50
_ORDER = ("run", "gain", "model", "deployment")


def version_uses(*version_ids: uuid.UUID) -> list[Use]:
    """Return the runs, models and deployments made from these versions; needs an open scope."""
    found = [use for ask in askers_of_use for use in ask(version_ids)]
    return sorted(found, key=lambda use: _ORDER.index(use.kind))


def version_origins(version: DatasetVersion) -> Origins:
    """Return the parent, and the changes and imports between it and this one, newest first."""
    parent = DatasetVersion.objects.filter(pk=version.parent).first() if version.parent else None
    changes = Change.objects.filter(
        dataset=version.dataset_id, status="done", finished_at__lt=version.created_at
    )
    imports = Upload.objects.filter(
        dataset=version.dataset_id, status="done", finished_at__lt=version.created_at
    )
    if parent is not None:
        changes = changes.filter(finished_at__gte=parent.created_at)
        imports = imports.filter(finished_at__gte=parent.created_at)
    return Origins(
        parent, tuple(changes.order_by("-id")[:SHOWN]), tuple(imports.order_by("-id")[:SHOWN])
    )


def example_placings(example_id: uuid.UUID) -> tuple[Example, list[Placing]]:
    """Return a row, removed or not, and the versions that have it with what learnt from it.

    What was made from a version saw the row if the split is `train` (it learnt from it),
    `validation` (it was chosen by it) or `test` (it was measured on it).

    Raises:
        NotFound: No such row here.
    """
    example = selectors.example_get(example_id)
    rows: QuerySet[VersionRow] = VersionRow.objects.filter(
        example=example, version__status="frozen"
    )
    placed = list(rows.select_related("version__dataset").order_by("-version__number"))
    uses = version_uses(*[row.version_id for row in placed]) if placed else []
    return example, [
        Placing(
            row.version,
            row.split,
            tuple(use for use in uses if use.version_id == row.version_id),
        )
        for row in placed
    ]
