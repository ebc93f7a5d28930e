"""Addresses of keys and of the workspace itself."""

from __future__ import annotations

from django.urls import URLPattern, path

from tenants import api as views
from tenants import web

pages: list[URLPattern] = [
    path("keys/", web.key_list, name="list"),
    path("keys/<uuid:key_id>/", web.key_detail, name="detail"),
    path("keys/<uuid:key_id>/rotate", web.key_rotate, name="rotate"),
    path("keys/<uuid:key_id>/revoke", web.key_revoke, name="revoke"),
]
api: list[URLPattern] = [
    path("workspace", views.Workspace.as_view(), name="workspace"),
    path("keys", views.KeyList.as_view(), name="keys"),
    path("keys/<uuid:key_id>", views.KeyDetail.as_view(), name="key"),
    path("keys/<uuid:key_id>/rotate", views.KeyRotate.as_view(), name="key-rotate"),
]
