"""Addresses of the shell."""

from __future__ import annotations

from django.urls import URLPattern, path

from modelyard.web import views
from tenants import web as tenants

public: list[URLPattern] = [
    path("", views.root, name="root"),
    path("new", tenants.tenant_new, name="workspace-new"),
    path("theme", views.set_theme, name="set_theme"),
    path("api/docs", views.api_docs, name="api-docs"),
    path("livez", views.livez, name="livez"),
    path("readyz", views.readyz, name="readyz"),
]
pages: list[URLPattern] = [
    path("", views.home, name="home"),
    path("tray", views.tray, name="tray"),
]
