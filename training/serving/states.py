"""The states of a deployment; the door lets requests in while it is live, and only then."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from modelyard.core.states import StateMachine


class DeploymentStatus(models.TextChoices):
    """What a deployment does now."""

    PENDING = "pending", _("pending")
    LOADING = "loading", _("loading")
    LIVE = "live", _("live")
    DRAINING = "draining", _("draining")
    STOPPED = "stopped", _("stopped")
    FAILED = "failed", _("failed")


_S = DeploymentStatus
DEPLOYMENT = StateMachine(
    "deployment",
    {
        _S.PENDING: frozenset({_S.LOADING, _S.STOPPED}),
        _S.LOADING: frozenset({_S.LIVE, _S.FAILED, _S.DRAINING}),
        _S.LIVE: frozenset({_S.DRAINING, _S.FAILED}),
        _S.DRAINING: frozenset({_S.STOPPED}),
        _S.STOPPED: frozenset({_S.PENDING}),
        _S.FAILED: frozenset({_S.PENDING, _S.STOPPED}),
    },
)

MOVING = (_S.PENDING, _S.LOADING, _S.DRAINING)
"""On the way to another state: rung again when they stay too long."""

COUNTED = (_S.PENDING, _S.LOADING, _S.LIVE, _S.DRAINING)
"""Held against the plan's number of deployments."""
