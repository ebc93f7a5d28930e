"""Addresses of usage."""

from __future__ import annotations

from django.urls import URLPattern, path

from billing import api as views
from billing import web

pages: list[URLPattern] = [
    path("usage/", web.usage_index, name="index"),
    path("usage/export.csv", web.usage_export, name="export"),
]
api: list[URLPattern] = [
    path("usage", views.Usage.as_view(), name="usage"),
    path("usage/entries", views.EntryList.as_view(), name="usage-entries"),
]
