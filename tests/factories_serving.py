"""Factories of what a deployment stands on: a verified model version in S3, a live server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from modelyard.core import clock
from tenants import access
from tenants.models import Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import owner_of
from tests.serving_shard import ENGINE, model_folder, wait_for
from training.datasets.models import Dataset, DatasetVersion
from training.registry import artifacts
from training.registry import services as registry
from training.registry.models import ModelVersion
from training.registry.types import NewVersion
from training.serving import services, worker
from training.serving.runtime.child import Child, ChildConfig
from training.serving.types import DeploymentFacts


def make_version(
    tenant: Tenant, folder: Path, *, model: str = "reviews", shift: float = 0.0
) -> ModelVersion:
    """Register a version of the sleeping engine, its artifact in S3."""
    run_id = uuid.uuid4()
    artifact = artifacts.artifact_upload(
        prefix=artifacts.prefix_for(tenant.pk, run_id, 1),
        folder=model_folder(folder / run_id.hex, shift=shift),
    )
    with tenant_scope(tenant.pk):
        dataset = Dataset.objects.create(name=f"data {run_id.hex[:8]}")
        rows = DatasetVersion.objects.create(
            dataset=dataset, number=1, status="frozen", moved_at=clock.now(), shares={}
        )
        return registry.version_register(
            actor=access.system(tenant.pk),
            new=NewVersion(
                model_name=model,
                run_id=run_id,
                dataset_version_id=rows.pk,
                artifact=artifact,
                labels=("bad", "fine", "good"),
                metrics={},
                spec={},
                base="sleep",
                engine_version="1",
            ),
        )


def deploy(tenant: Tenant, version: ModelVersion, name: str = "reviews") -> DeploymentFacts:
    """Deploy a version; its load runs at once where a server is up."""
    with tenant_scope(tenant.pk):
        return services.deployment_create(actor=owner_of(tenant), name=name, version_id=version.pk)


@contextmanager
def serving_child(name: str = "serving@test") -> Iterator[Child]:
    """Run a model server with the sleeping engine as this process's worker would."""
    cache = Path(settings.SERVING_CACHE_DIR).resolve()
    cache.mkdir(parents=True, exist_ok=True)
    config = ChildConfig(
        shard=settings.SERVING_SHARD,
        name=name,
        url=settings.SERVING_URL,
        cache=cache,
        engine=ENGINE,
    )
    child = Child(config)
    worker._Slot.child = child
    child.start()
    child.serve()
    try:
        wait_for(lambda: child.pid is not None)
        yield child
    finally:
        worker._Slot.child = None
        child.drain(5)
