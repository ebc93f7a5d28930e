"""Addresses of runs."""

from __future__ import annotations

from django.urls import URLPattern, path

from training.jobs import api as views
from training.jobs import web

_ONE = "runs/<uuid:run_id>"
pages: list[URLPattern] = [
    path("runs/", web.run_list, name="list"),
    path("runs/new", web.run_new, name="new"),
    path(f"{_ONE}/", web.run_detail, name="detail"),
    path(f"{_ONE}/progress", web.run_progress, name="progress"),
    path(f"{_ONE}/events", web.run_events, name="events"),
    path(f"{_ONE}/cancel", web.run_cancel, name="cancel"),
    path(f"{_ONE}/retry", web.run_retry, name="retry"),
    path(f"{_ONE}/report", web.run_report, name="report"),
]
api: list[URLPattern] = [
    path("runs", views.RunList.as_view(), name="runs"),
    path(_ONE, views.RunDetail.as_view(), name="run"),
    path(f"{_ONE}/events", views.RunEvents.as_view(), name="run-events"),
    path(f"{_ONE}/cancel", views.RunCancel.as_view(), name="run-cancel"),
    path(f"{_ONE}/retry", views.RunRetry.as_view(), name="run-retry"),
    path(f"{_ONE}/report", views.RunReport.as_view(), name="run-report"),
]
