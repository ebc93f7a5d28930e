"""Addresses of the loops."""

from __future__ import annotations

from django.urls import URLPattern, path

from training.loops import api as views
from training.loops import web

_ONE = "labeling/projects/<uuid:project_id>"
_GAIN = "versions/<uuid:version_id>/gain"
pages: list[URLPattern] = [
    path(_GAIN, web.version_gain, name="gain"),
    path(f"{_GAIN}/start", web.gain_start, name="gain_start"),
    path(f"{_GAIN}/cancel", web.gain_cancel, name="gain_cancel"),
    path("labeling/<uuid:project_id>/suggestions", web.project_suggestions, name="suggestions"),
]
api: list[URLPattern] = [
    path(_GAIN, views.VersionGain.as_view(), name="version-gain"),
    path(f"{_GAIN}/cancel", views.VersionGainCancel.as_view(), name="version-gain-cancel"),
    path(f"{_ONE}/suggestions", views.ProjectSuggestions.as_view(), name="labeling-suggestions"),
]
