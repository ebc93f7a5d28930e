"""The states of a model version. A version appears when its artifact is whole, never before."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from modelyard.core.states import StateMachine


class VersionStatus(models.TextChoices):
    """Whether a version may be used."""

    VERIFIED = "verified", _("verified")
    ARCHIVED = "archived", _("archived")
    BROKEN = "broken", _("broken")


VERSION = StateMachine(
    "model_version",
    {
        VersionStatus.VERIFIED: frozenset({VersionStatus.ARCHIVED, VersionStatus.BROKEN}),
        VersionStatus.ARCHIVED: frozenset({VersionStatus.VERIFIED, VersionStatus.BROKEN}),
        VersionStatus.BROKEN: frozenset(),
    },
)
