"""Reads of models and versions, in the tenant's scope."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence

from django.db.models import Max, QuerySet
from django.utils.translation import gettext_lazy as _

from modelyard.core.errors import NotFound
from training.datasets import lineage
from training.engine.artifact import MANIFEST
from training.registry.models import Model, ModelVersion
from training.registry.states import VersionStatus
from training.registry.types import VersionFacts

askers_of_use: list[Callable[[Sequence[uuid.UUID]], Iterable[tuple[uuid.UUID, str]]]] = []
"""Asked for (version, name) of what uses versions; a higher layer adds itself at start."""


def model_list() -> QuerySet[Model]:
    """Return models, newest first."""
    return Model.objects.order_by("-id")


def model_get(model_id: uuid.UUID) -> Model:
    """Return one model.

    Raises:
        NotFound: There is none of that id here.
    """
    found = Model.objects.filter(pk=model_id).first()
    if found is None:
        raise NotFound(_("There is no such model."))
    return found


def model_count() -> int:
    """Return how many models there are."""
    return Model.objects.count()


def version_list(model_id: uuid.UUID | None = None) -> QuerySet[ModelVersion]:
    """Return versions, newest first; of one model, or of all."""
    rows = ModelVersion.objects.select_related("model").order_by("-id")
    return rows if model_id is None else rows.filter(model_id=model_id)


def version_get(version_id: uuid.UUID) -> ModelVersion:
    """Return one version with its model.

    Raises:
        NotFound: There is none of that id here.
    """
    found = ModelVersion.objects.select_related("model").filter(pk=version_id).first()
    if found is None:
        raise NotFound(_("There is no such model version."))
    return found


def version_facts(version_id: uuid.UUID) -> VersionFacts:
    """Return one version as plain values.

    Raises:
        NotFound: There is none of that id here.
    """
    return facts_of(version_get(version_id))


def version_latest(model_id: uuid.UUID) -> ModelVersion | None:
    """Return the newest version that may be used, or None."""
    return version_list(model_id).filter(status=VersionStatus.VERIFIED).first()


def latest_of_each() -> list[ModelVersion]:
    """Return the newest version of every model, newest first."""
    newest = Model.objects.annotate(newest=Max("versions__number")).values_list("id", "newest")
    numbers = dict(newest)
    return [row for row in version_list() if numbers.get(row.model_id) == row.number]


def served_by(version_ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, list[str]]:
    """Return version -> names of the deployments that serve it, from whoever deploys."""
    found: dict[uuid.UUID, list[str]] = {}
    for ask in askers_of_use:
        for version_id, name in ask(version_ids):
            found.setdefault(version_id, []).append(name)
    return found


def facts_of(version: ModelVersion) -> VersionFacts:
    """Return the plain values of a row."""
    return VersionFacts(
        id=version.pk,
        model_id=version.model_id,
        model_name=version.model.name,
        number=version.number,
        status=version.status,
        artifact_prefix=version.artifact_prefix,
        manifest_sha256=version.manifest_sha256,
        bytes=version.bytes,
        labels=tuple(version.labels),
        dataset_version_id=version.dataset_version_id,
        run_id=version.run_id,
        created_at=version.created_at,
        metrics=version.metrics,
    )


def version_file(version_id: uuid.UUID, name: str) -> VersionFacts:
    """Return the version if it has a file of that name.

    Raises:
        NotFound: There is no such version, or no such file in it.
    """
    version = version_get(version_id)
    if name != MANIFEST and name not in {file["name"] for file in version.files}:
        raise NotFound(_("There is no such file in this version."))
    return facts_of(version)


def made_from(version_ids: Sequence[uuid.UUID]) -> Iterable[lineage.Use]:
    """Yield the model versions trained on these dataset versions, newest first."""
    for version in version_list().filter(dataset_version__in=version_ids):
        yield lineage.Use(
            kind="model",
            id=version.pk,
            title=f"{version.model.name} v{version.number}",
            status=version.status,
            version_id=version.dataset_version_id,
            page="models:detail",
            page_id=str(version.model_id),
        )


lineage.askers_of_use.append(made_from)
