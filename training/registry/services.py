"""Writes: a version is registered inside the transaction that ends its run."""

from __future__ import annotations

import re
import uuid
from dataclasses import asdict

from django.db.models import Max, Value
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from modelyard.core.errors import Invalid
from tenants import access, audit
from tenants.access import Actor
from tenants.scoping.context import tenant_scope
from training.registry.models import Model, ModelVersion
from training.registry.selectors import version_get
from training.registry.states import VERSION, VersionStatus
from training.registry.types import NewVersion

_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,80}")


def model_name_clean(name: str) -> str:
    """Return the name as it is stored.

    Raises:
        Invalid: It is empty, too long, or has control characters.
    """
    name = " ".join(name.split())
    if not _NAME.fullmatch(name):
        raise Invalid(
            _("Give the model a name of 1 to 80 characters."),
            code="model_name",
            fields=[{"field": "model_name", "message": "1 to 80 characters"}],
        )
    return name


def version_register(*, actor: Actor, new: NewVersion) -> ModelVersion:
    """Add the next version of the model of that name; the model is made when it is the first.

    Call it inside the transaction that moves the run to `succeeded`: UNIQUE (tenant, run)
    refuses a second registration.
    """
    with tenant_scope(actor.tenant_id):
        model = _model_locked(new.model_name)
        last = model.versions.aggregate(last=Max("number"))["last"] or 0
        version = ModelVersion.objects.create(
            model=model,
            number=last + 1,
            dataset_version_id=new.dataset_version_id,
            run_id=new.run_id,
            artifact_prefix=new.artifact.prefix,
            manifest_sha256=new.artifact.manifest_sha256,
            bytes=new.artifact.bytes,
            files=[asdict(file) for file in new.artifact.files],
            labels=list(new.labels),
            metrics=dict(new.metrics),
            spec=dict(new.spec),
            base=new.base,
            engine_version=new.engine_version,
        )
        audit.record(
            actor, "model_version.registered", version, model=model.name, run_id=str(new.run_id)
        )
        return version


def version_archive(*, actor: Actor, version_id: uuid.UUID) -> ModelVersion:
    """Take a version out of the lists for deploying; its files stay.

    Raises:
        Conflict: It is broken.
    """
    access.require(actor, "models.write")
    with tenant_scope(actor.tenant_id):
        version = version_get(version_id)
        if version.status != VersionStatus.ARCHIVED:
            VERSION.require(version, VersionStatus.ARCHIVED)
            audit.record(actor, "model_version.archived", version)
        return version


def version_break(*, actor: Actor, version_id: uuid.UUID, why: str) -> None:
    """Mark a version whose stored bytes are no longer those that were registered."""
    with tenant_scope(actor.tenant_id):
        version = version_get(version_id)
        rows = ModelVersion.objects.filter(pk=version_id)
        if VERSION.advance(rows, VersionStatus.BROKEN):
            audit.record(actor, "model_version.broken", version, why=why)


def _model_locked(name: str) -> Model:
    """Return the model of that name, made if need be, locked against a parallel numbering."""
    name = model_name_clean(name)
    Model.objects.bulk_create([Model(name=name)], ignore_conflicts=True)
    found: Model = (
        Model.objects.annotate(lowered=Lower("name"))
        .select_for_update()
        .get(lowered=Lower(Value(name)))
    )
    return found
