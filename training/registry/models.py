"""Models and their versions: what a run leaves, with where it came from."""

from __future__ import annotations

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from tenants.scoping.manager import TenantOwned
from training.registry.states import VersionStatus


class Model(TenantOwned):
    """A named line of versions that solve one task."""

    name = models.CharField(_("name"), max_length=80)
    task = models.CharField(max_length=32, default="text_classification")

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint("tenant_id", Lower("name"), name="registry_model_name")
        ]
        indexes = [models.Index(fields=["tenant_id", "-id"], name="registry_model_recent")]

    def __str__(self) -> str:
        return self.name


class ModelVersion(TenantOwned):
    """One immutable artifact in S3, its figures and its lineage.

    `run_id` is no foreign key (runs are the layer above); UNIQUE (tenant_id, run_id) makes a
    second registration of the same run impossible.
    """

    model = models.ForeignKey(
        Model,
        db_constraint=False,
        db_index=False,
        on_delete=models.CASCADE,
        related_name="versions",
    )
    number = models.PositiveIntegerField()
    status = models.CharField(
        max_length=16, choices=VersionStatus.choices, default=VersionStatus.VERIFIED
    )
    dataset_version = models.ForeignKey(
        "datasets.DatasetVersion",
        db_constraint=False,
        db_index=False,
        on_delete=models.DO_NOTHING,
        related_name="model_versions",
    )
    run_id = models.UUIDField()
    artifact_prefix = models.CharField(max_length=255)
    manifest_sha256 = models.CharField(max_length=64)
    bytes = models.PositiveBigIntegerField()
    files = models.JSONField(default=list, encoder=DjangoJSONEncoder)
    labels = models.JSONField(default=list, encoder=DjangoJSONEncoder)
    metrics = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    spec = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    base = models.CharField(max_length=120)
    engine_version = models.CharField(max_length=40)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "model", "number"], name="registry_version_number"
            ),
            models.UniqueConstraint(fields=["tenant_id", "run_id"], name="registry_version_run"),
            models.CheckConstraint(
                condition=models.Q(status__in=VersionStatus.values), name="registry_version_status"
            ),
        ]
        indexes = [
            models.Index(fields=["tenant_id", "-id"], name="registry_version_recent"),
            models.Index(fields=["tenant_id", "dataset_version"], name="registry_version_lineage"),
        ]

    def __str__(self) -> str:
        return f"{self.model_id} v{self.number}"
