"""Addresses of the loops."""

from __future__ import annotations

from django.urls import URLPattern, path

from training.loops import api as views
from training.loops import web

_ONE = "labeling/projects/<uuid:project_id>"
pages: list[URLPattern] = [
    path("labeling/<uuid:project_id>/suggestions", web.project_suggestions, name="suggestions"),
]
api: list[URLPattern] = [
    path(f"{_ONE}/suggestions", views.ProjectSuggestions.as_view(), name="labeling-suggestions"),
]
