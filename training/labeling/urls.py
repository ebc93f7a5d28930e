"""Addresses of labelling projects."""

from __future__ import annotations

from django.urls import URLPattern, path

from training.labeling import api as views
from training.labeling import web

_PAGE = "labeling/<uuid:project_id>"
_ONE = "labeling/projects/<uuid:project_id>"
pages: list[URLPattern] = [
    path("labeling/", web.project_list, name="list"),
    path("labeling/new", web.project_new, name="new"),
    path(f"{_PAGE}/", web.project_detail, name="detail"),
    path(f"{_PAGE}/label", web.project_label, name="label"),
    path(f"{_PAGE}/freeze", web.project_freeze, name="freeze"),
    path(f"{_PAGE}/close", web.project_close, name="close"),
    path(f"{_PAGE}/open", web.project_open, name="open"),
    path(f"{_PAGE}/skipped", web.project_skipped, name="skipped"),
]
api: list[URLPattern] = [
    path("labeling/projects", views.ProjectList.as_view(), name="labeling-projects"),
    path(_ONE, views.ProjectDetail.as_view(), name="labeling-project"),
    path(f"{_ONE}/lease", views.ProjectLease.as_view(), name="labeling-lease"),
    path(f"{_ONE}/renew", views.ProjectRenew.as_view(), name="labeling-renew"),
    path(f"{_ONE}/annotations", views.ProjectAnnotations.as_view(), name="labeling-annotations"),
    path(f"{_ONE}/undo", views.ProjectUndo.as_view(), name="labeling-undo"),
    path(f"{_ONE}/skip", views.ProjectSkip.as_view(), name="labeling-skip"),
    path(f"{_ONE}/freeze", views.ProjectFreeze.as_view(), name="labeling-freeze"),
]
