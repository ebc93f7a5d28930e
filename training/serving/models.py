"""Deployments: a name that stays, in front of one model version."""

from __future__ import annotations

from django.db import models

from tenants.scoping.manager import TenantOwned
from training.serving.states import DeploymentStatus


class Deployment(TenantOwned):
    """Where a model version answers; the name is part of its URL."""

    name = models.CharField(max_length=63)
    model = models.ForeignKey(
        "registry.Model",
        db_constraint=False,
        db_index=False,
        on_delete=models.DO_NOTHING,
        related_name="deployments",
    )
    version = models.ForeignKey(
        "registry.ModelVersion",
        db_constraint=False,
        db_index=False,
        on_delete=models.DO_NOTHING,
        related_name="deployments",
    )
    status = models.CharField(
        max_length=16, choices=DeploymentStatus.choices, default=DeploymentStatus.PENDING
    )
    shard = models.CharField(max_length=16)
    error_code = models.CharField(max_length=48, blank=True)
    error = models.TextField(blank=True)
    moved_at = models.DateTimeField()
    live_at = models.DateTimeField(null=True)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "name"], name="serving_deployment_name"),
            models.CheckConstraint(
                condition=models.Q(status__in=DeploymentStatus.values),
                name="serving_deployment_status",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant_id", "-id"], name="serving_deployment_recent"),
            models.Index(fields=["tenant_id", "model"], name="serving_deployment_model"),
            models.Index(
                fields=["tenant_id", "version", "status"], name="serving_deployment_version"
            ),
        ]

    def __str__(self) -> str:
        return self.name
