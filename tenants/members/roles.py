"""The roles in words: one sentence each, for pages, mails and the documents."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from tenants.models import Role

SENTENCES: Mapping[str, Promise] = MappingProxyType(
    {
        Role.OWNER: _("Does everything: also pays, names other owners, deletes the workspace."),
        Role.ADMIN: _("Manages people, keys, data and models; neither owners nor the plan."),
        Role.BUILDER: _("Imports data, trains and deploys models, asks them for predictions."),
        Role.LABELER: _("Sees the data and labels it, nothing else."),
        Role.REVIEWER: _("Sees data, runs, models and usage; changes data and labels."),
        Role.BILLING: _("Sees usage, changes the plan and pays; opens no data."),
        Role.VIEWER: _("Sees data, runs, models, deployments and usage; changes nothing."),
    }
)
"""Role -> what its people do."""
