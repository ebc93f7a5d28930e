"""Reads of deployments, in the tenant's scope."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from modelyard.core.errors import NotFound
from tenants.scoping.context import tenant_scope
from training.datasets import lineage
from training.registry import selectors as registry
from training.serving.models import Deployment
from training.serving.states import COUNTED, DeploymentStatus
from training.serving.types import DeploymentFacts


def deployment_list() -> QuerySet[Deployment]:
    """Return deployments with model and version, newest first."""
    rows: QuerySet[Deployment] = Deployment.objects.select_related("model", "version")
    return rows.order_by("-id")


def deployment_find(name: str) -> Deployment | None:
    """Return the deployment of that name, or None."""
    return deployment_list().filter(name=name).first()


def deployment_get(name: str) -> Deployment:
    """Return the deployment of that name.

    Raises:
        NotFound: The tenant has none; another tenant's is none.
    """
    found = deployment_find(name)
    if found is None:
        raise NotFound(
            _("There is no deployment of that name. Check the name, or deploy a model."),
            code="deployment_unknown",
        )
    return found


def deployment_count(tenant_id: uuid.UUID) -> int:
    """Return how many deployments the plan is charged for now."""
    with tenant_scope(tenant_id):
        return Deployment.objects.filter(status__in=COUNTED).count()


def live_count() -> int:
    """Return how many deployments answer."""
    return Deployment.objects.filter(status=DeploymentStatus.LIVE).count()


def names_of(ids: list[str]) -> dict[str, str]:
    """Return the names of deployments by id; unknown ids are left out."""
    rows = Deployment.objects.filter(pk__in=ids).values_list("pk", "name")
    return {str(key): name for key, name in rows}


def served_versions(version_ids: Sequence[uuid.UUID]) -> Iterable[tuple[uuid.UUID, str]]:
    """Return (version, name) of the deployments at work on any of the versions."""
    rows = Deployment.objects.filter(version_id__in=version_ids, status__in=COUNTED)
    return rows.order_by("name").values_list("version_id", "name")


def version_titles(ids: list[str]) -> dict[str, str]:
    """Return what people call model versions by id, e.g. `ticket-intent v3`."""
    rows = registry.version_list().filter(pk__in=ids)
    return {str(row.pk): registry.facts_of(row).title for row in rows}


def facts_of(row: Deployment) -> DeploymentFacts:
    """Return the plain values of a row that `deployment_list` gave."""
    return DeploymentFacts(
        id=row.pk,
        name=row.name,
        status=row.status,
        model_id=row.model_id,
        model_name=row.model.name,
        version_id=row.version_id,
        version=row.version.number,
        shard=row.shard,
        error_code=row.error_code,
        error=row.error,
        created_at=row.created_at,
        live_at=row.live_at,
    )


registry.askers_of_use.append(served_versions)


def made_from(version_ids: Sequence[uuid.UUID]) -> Iterable[lineage.Use]:
    """Yield the deployments of models trained on these dataset versions, newest first."""
    rows = deployment_list().filter(version__dataset_version__in=version_ids)
    for deployment in rows:
        yield lineage.Use(
            kind="deployment",
            id=deployment.pk,
            title=deployment.name,
            status=deployment.status,
            version_id=deployment.version.dataset_version_id,
            page="deployments:detail",
            page_id=deployment.name,
        )


lineage.askers_of_use.append(made_from)
