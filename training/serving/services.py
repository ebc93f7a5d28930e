"""Writes of deployments: create, load, stop. The row is the truth, the worker follows it."""

from __future__ import annotations

import re
import uuid
from functools import partial

import redis
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from billing import entitlements, plans
from billing import selectors as billing
from billing import services as billing_services
from modelyard.core import clock, queue, valkey
from modelyard.core.errors import Conflict, Invalid, Unavailable
from tenants import access, audit
from tenants import selectors as tenants
from tenants import services as tenant_services
from tenants.access import Actor
from tenants.controls import hooks as controls
from tenants.rights import hooks as rights
from tenants.scoping.context import tenant_scope
from training.registry import selectors as registry
from training.registry.states import VersionStatus
from training.registry.types import VersionFacts
from training.serving import records, selectors
from training.serving.models import Deployment
from training.serving.rebuild import session_digest
from training.serving.states import COUNTED, DEPLOYMENT, DeploymentStatus
from training.serving.types import DeploymentFacts

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def name_clean(name: str) -> str:
    """Return the name as it stands in the URL.

    Raises:
        Invalid: It would not fit there.
    """
    name = name.strip().lower()
    if not NAME.fullmatch(name):
        sentence = _("Use 1 to 63 lower-case letters, digits and hyphens, such as `ticket-intent`.")
        raise Invalid(
            sentence,
            code="deployment_name",
            fields=[{"field": "name", "message": str(sentence)}],
        )
    return name


def deployment_create(*, actor: Actor, name: str, version_id: uuid.UUID) -> DeploymentFacts:
    """Deploy a model version under a name; a stopped or failed name is taken up again.

    Raises:
        Invalid: The name does not fit a URL.
        NotFound: There is no such model version.
        Conflict: The version may not be used, or the name is at work.
        QuotaExceeded: The plan allows no further deployment.
    """
    access.require(actor, "deployments.write")
    name = name_clean(name)
    with transaction.atomic():
        # Held to the end, so that two at once can't both take the plan's last place.
        tenants.tenant_lock(actor.tenant_id)
        version = registry.version_facts(version_id)
        if version.status != VersionStatus.VERIFIED:
            raise Conflict(
                _("%(title)s is %(status)s and can't be deployed. Choose another version.")
                % {"title": version.title, "status": version.status},
                code="version_unusable",
            )
        entitlements.require(actor.tenant_id, plans.DEPLOYMENTS, 1)
        row = _placed(name, version)
        audit.record(
            actor,
            "deployment.created",
            row,
            name=name,
            version_id=str(version.id),
            model=version.title,
        )
        _drop_record(actor.tenant_id, name)
        ring("serving.load", row)
    return selectors.facts_of(selectors.deployment_get(name))


def _placed(name: str, version: VersionFacts) -> Deployment:
    """Return the pending row of that name, new or taken up again."""
    fields = {
        "model_id": version.model_id,
        "version_id": version.id,
        "shard": settings.SERVING_SHARD,
        "error_code": "",
        "error": "",
        "moved_at": clock.now(),
    }
    row = Deployment.objects.select_for_update().filter(name=name).first()
    if row is None:
        created: Deployment = Deployment.objects.create(name=name, **fields)
        return created
    if row.status not in {DeploymentStatus.STOPPED, DeploymentStatus.FAILED}:
        raise Conflict(
            _("%(name)s is at work already. Choose another name, or stop it first.")
            % {"name": name},
            code="deployment_name_taken",
            state=row.status,
        )
    DEPLOYMENT.require(row, DeploymentStatus.PENDING, **fields)
    taken: Deployment = row
    return taken


def deployment_stop(*, actor: Actor, name: str) -> DeploymentFacts:
    """Stop a deployment: the next request is refused, what is under way is answered.

    Raises:
        NotFound: There is none of that name.
    """
    access.require(actor, "deployments.write")
    with transaction.atomic():
        row = selectors.deployment_get(name)
        rows = Deployment.objects.filter(pk=row.pk)
        now = clock.now()
        if DEPLOYMENT.advance(rows, DeploymentStatus.DRAINING, moved_at=now):
            ring("serving.unload", row)
        elif not _stop_at_once(rows):
            return selectors.facts_of(selectors.deployment_get(name))
        audit.record(actor, "deployment.stopped", row, name=name)
        _drop_record(actor.tenant_id, name)
    return selectors.facts_of(selectors.deployment_get(name))


def _stop_at_once(rows: QuerySet[Deployment]) -> int:
    """Stop what no server holds: a deployment that waits or has failed."""
    waiting = rows.filter(status__in=[DeploymentStatus.PENDING, DeploymentStatus.FAILED])
    return DEPLOYMENT.advance(waiting, DeploymentStatus.STOPPED, moved_at=clock.now())


def ring(task: str, row: Deployment) -> None:
    """Ring the serving worker of the row's shard on commit."""
    queue.enqueue(
        task,
        queue=f"serving.{row.shard}",
        tenant_id=str(row.tenant_id),
        deployment_id=str(row.pk),
    )


def load_begin(deployment_id: uuid.UUID) -> tuple[DeploymentFacts, VersionFacts] | None:
    """Take up a load; None when the deployment no longer wants one."""
    rows = Deployment.objects.filter(pk=deployment_id)
    DEPLOYMENT.advance(rows, DeploymentStatus.LOADING, moved_at=clock.now())
    row = selectors.deployment_list().filter(pk=deployment_id).first()
    if row is None or row.status not in {DeploymentStatus.LOADING, DeploymentStatus.LIVE}:
        return None
    return selectors.facts_of(row), registry.version_facts(row.version_id)


def load_finish(facts: DeploymentFacts) -> bool:
    """Let the door open; False when the deployment was stopped or changed meanwhile."""
    now = clock.now()
    rows = Deployment.objects.filter(pk=facts.id, version_id=facts.version_id)
    if DEPLOYMENT.advance(rows, DeploymentStatus.LIVE, moved_at=now, live_at=now):
        row = rows.get()
        audit.record(access.system(row.tenant_id), "deployment.live", row, name=row.name)
        _drop_record(row.tenant_id, row.name)
        return True
    return bool(rows.filter(status=DeploymentStatus.LIVE).exists())


def load_fail(facts: DeploymentFacts, *, code: str, sentence: str) -> None:
    """Close the deployment with the reason; a repeat changes nothing."""
    rows = Deployment.objects.filter(pk=facts.id, version_id=facts.version_id)
    changed = DEPLOYMENT.advance(
        rows,
        DeploymentStatus.FAILED,
        moved_at=clock.now(),
        error_code=code[:48],
        error=sentence[:2000],
    )
    if changed:
        row = rows.get()
        actor = access.system(row.tenant_id)
        audit.record(actor, "deployment.failed", row, name=row.name, code=code)
        _drop_record(row.tenant_id, row.name)


def unload_finish(deployment_id: uuid.UUID) -> bool:
    """End the draining; True when no other deployment of the tenant uses the version."""
    rows = Deployment.objects.filter(pk=deployment_id)
    DEPLOYMENT.advance(rows, DeploymentStatus.STOPPED, moved_at=clock.now())
    row = rows.first()
    return row is not None and not version_wanted(row.version_id)


def version_wanted(version_id: uuid.UUID) -> bool:
    """Tell whether a deployment is served, or soon, by this version."""
    wanted = [DeploymentStatus.PENDING, DeploymentStatus.LOADING, DeploymentStatus.LIVE]
    return bool(Deployment.objects.filter(version_id=version_id, status__in=wanted).exists())


def _drop_record(tenant_id: uuid.UUID, name: str) -> None:
    transaction.on_commit(partial(_forget_deployment, tenant_id, name))


def _forget_deployment(tenant_id: uuid.UUID, name: str) -> None:
    try:
        records.deployment_drop(valkey.serving(), str(tenant_id), name)
    except redis.RedisError as error:
        raise _late() from error


def forget_key(digest: str) -> None:
    """Drop the door's record of a key: the next request reads the database."""
    try:
        records.key_drop(valkey.serving(), digest)
    except redis.RedisError as error:
        raise _late() from error


def forget_limits(tenant_id: uuid.UUID) -> None:
    """Drop the door's records of all keys of a tenant: its plan has changed."""
    digests = [key.digest for key in tenants.key_list(tenant_id)]
    try:
        records.key_drop(valkey.serving(), session_digest(tenant_id), *digests)
    except redis.RedisError as error:
        raise _late() from error


def tenant_stop(tenant_id: uuid.UUID) -> int:
    """Stop every deployment of a tenant that goes, shut the door; return how many still drain."""
    with tenant_scope(tenant_id):
        names = list(Deployment.objects.filter(status__in=COUNTED).values_list("name", flat=True))
    for name in names:
        with tenant_scope(tenant_id):
            deployment_stop(actor=access.system(tenant_id), name=name)
    forget_limits(tenant_id)
    with tenant_scope(tenant_id):
        return Deployment.objects.filter(status__in=COUNTED).count()


def _late() -> Unavailable:
    return Unavailable(
        _("The change is saved, and acts within 5 minutes: the queue can't be reached just now."),
        code="queue_unreachable",
        retry_after=5,
    )


tenant_services.on_key_revoked.append(forget_key)
billing_services.on_plan_changed.append(forget_limits)
rights.on_tenant_stopping.append(tenant_stop)
controls.on_tenant_closed.append(forget_limits)
entitlements.count_by(plans.DEPLOYMENTS, selectors.deployment_count)
billing.names_by("deployment", selectors.names_of)
billing.names_by("version", selectors.version_titles)
