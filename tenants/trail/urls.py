"""Addresses of the audit log."""

from django.urls import URLPattern, path

from tenants.trail import api as views
from tenants.trail import web

pages: list[URLPattern] = [
    path("settings/audit/", web.event_list, name="list"),
    path("settings/audit/export.jsonl", web.event_export, name="export"),
]
api: list[URLPattern] = [path("audit", views.EventList.as_view(), name="audit")]
