"""The serving worker's work: load, unload, and what brings them back after a restart."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import time
import uuid
from pathlib import Path
from typing import Any

import structlog
from celery import shared_task
from celery.signals import worker_ready
from django.conf import settings

from modelyard.core import clock, valkey
from modelyard.core.errors import Conflict, NotFound, Unavailable
from tenants import access
from tenants.scoping.context import ops_scope, tenant_scope
from tenants.scoping.task import SystemTask, TenantTask
from training.registry import artifacts
from training.registry import services as registry
from training.registry.types import VersionFacts
from training.serving import services
from training.serving.models import Deployment
from training.serving.runtime import names
from training.serving.runtime.cache import LoadRefusedError
from training.serving.runtime.child import ServerDownError
from training.serving.states import MOVING, DeploymentStatus
from training.serving.types import DeploymentFacts
from training.serving.worker import SHARD_VARIABLE, current_server

LOAD_SECONDS = 60.0
_POLL_SECONDS = 0.05

logger = structlog.get_logger(__name__)


@shared_task(
    name="serving.load",
    base=TenantTask,
    autoretry_for=(Unavailable,),
    retry_backoff=1,
    retry_backoff_max=30,
    max_retries=8,
)
def load(*, tenant_id: str, deployment_id: str) -> None:
    """Bring a deployment's model to this worker's server, then open the door.

    Safe to repeat: a live deployment is loaded again and stays live.
    """
    tenant = uuid.UUID(tenant_id)
    with tenant_scope(tenant):
        begun = services.load_begin(uuid.UUID(deployment_id))
    if begun is None:
        return
    facts, version = begun
    try:
        _fetch(version)
        current_server().load(str(version.id), folder_of(version.id), timeout=LOAD_SECONDS)
    except ServerDownError as error:
        # The row stays as it is; the worker's start and the sweep ring again.
        logger.warning("load_waits_for_server", deployment=facts.name, why=str(error))
        return
    except (Conflict, NotFound) as error:
        _fail(tenant, facts, version, code=error.code, sentence=error.message)
        return
    except LoadRefusedError as error:
        with tenant_scope(tenant):
            services.load_fail(facts, code=error.code, sentence=str(error))
        return
    with tenant_scope(tenant):
        is_live = services.load_finish(facts)
    if not is_live:
        _let_go(tenant, version.id)


def _fetch(version: VersionFacts) -> None:
    """Bring the artifact to this host; a copy here that has gone wrong is fetched anew."""
    folder = folder_of(version.id)
    had_copy = folder.exists()
    try:
        artifacts.artifact_download(version, folder)
    except Conflict as error:
        if not had_copy:
            raise
        logger.warning("cached_artifact_broken", version=version.title, why=error.message)
        shutil.rmtree(folder)
        artifacts.artifact_download(version, folder)


def _fail(
    tenant: uuid.UUID, facts: DeploymentFacts, version: VersionFacts, *, code: str, sentence: str
) -> None:
    """The stored artifact is wrong: neither this deployment nor another can use the version."""
    with tenant_scope(tenant):
        registry.version_break(actor=access.system(tenant), version_id=version.id, why=code)
        services.load_fail(facts, code=code, sentence=sentence)


@shared_task(name="serving.unload", base=TenantTask)
def unload(*, tenant_id: str, deployment_id: str) -> None:
    """Wait for the answers under way, then let the model go and end the draining."""
    tenant, deployment = uuid.UUID(tenant_id), uuid.UUID(deployment_id)
    with tenant_scope(tenant):
        row = Deployment.objects.filter(pk=deployment, status=DeploymentStatus.DRAINING).first()
    if row is None:
        return
    _wait_for_answers(row)
    with tenant_scope(tenant):
        is_free = services.unload_finish(deployment)
    if is_free:
        _let_go(tenant, row.version_id)


def _wait_for_answers(row: Deployment) -> None:
    """Wait until nothing of the tenant is under way; no request outlives its deadline."""
    until = time.monotonic() + settings.PREDICT_DEADLINE_MS / 1000 + 1
    held = names.inflight(row.shard)
    while time.monotonic() < until:
        if not valkey.serving().hget(held, str(row.tenant_id)):
            return
        time.sleep(_POLL_SECONDS)


def _let_go(tenant: uuid.UUID, version_id: uuid.UUID) -> None:
    with tenant_scope(tenant):
        wanted = services.version_wanted(version_id)
    if wanted:
        return
    try:
        current_server().drop(str(version_id))
    except ServerDownError as error:
        logger.info("nothing_to_drop", version=str(version_id), why=str(error))


def folder_of(version_id: uuid.UUID) -> Path:
    """Return where this host keeps a version's artifact."""
    return Path(settings.SERVING_CACHE_DIR).resolve() / str(version_id)


@shared_task(name="serving.ensure", base=SystemTask, queue="system")
def ensure(*, shard: str) -> None:
    """Ring for all that a shard's new server must hold: its live deployments."""
    with ops_scope("serving ensure"):
        rows = Deployment.objects.filter(shard=shard)
        for row in rows.filter(status__in=[*MOVING, DeploymentStatus.LIVE]):
            _ring_again(row)


@shared_task(name="serving.sweep", base=SystemTask, queue="system")
def sweep() -> None:
    """Ring again for what has been on its way for too long (a lost message, a dead worker)."""
    since = clock.now() - dt.timedelta(seconds=settings.RUN_SWEEP_AFTER_SECONDS)
    with ops_scope("serving sweep"):
        for row in Deployment.objects.filter(status__in=MOVING, moved_at__lt=since):
            _ring_again(row)


def _ring_again(row: Deployment) -> None:
    draining = row.status == DeploymentStatus.DRAINING
    services.ring("serving.unload" if draining else "serving.load", row)


@worker_ready.connect
def fill_new_server(**_: Any) -> None:
    """A serving worker has started: its server holds nothing yet."""
    shard = os.environ.get(SHARD_VARIABLE)
    if shard:
        ensure.apply_async(kwargs={"shard": shard})
