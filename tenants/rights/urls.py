"""Addresses of data rights: settings page, API, certificates, one's own account."""

from __future__ import annotations

from django.urls import URLPattern, path

from tenants.rights import api as views
from tenants.rights import web

_ONE = "settings/data/exports/<uuid:export_id>"
pages: list[URLPattern] = [
    path("settings/data/", web.index, name="index"),
    path("settings/data/exports", web.export_new, name="export-new"),
    path(_ONE, web.export_row, name="export"),
    path(f"{_ONE}/cancel", web.export_cancel, name="export-cancel"),
    path(f"{_ONE}/download", web.export_download, name="export-download"),
    path("settings/data/retention", web.retention_change, name="retention"),
    path("settings/data/delete", web.delete, name="delete"),
    path("settings/data/keep", web.keep, name="keep"),
]
api: list[URLPattern] = [
    path("exports", views.ExportList.as_view(), name="exports"),
    path("exports/<uuid:export_id>", views.ExportDetail.as_view(), name="export"),
    path("exports/<uuid:export_id>/link", views.ExportLink.as_view(), name="export-link"),
    path("deletion", views.WorkspaceDeletion.as_view(), name="deletion"),
]
account: list[URLPattern] = [
    path("data/", web.own_data, name="data"),
    path("delete/", web.account_delete, name="delete"),
    path("deleted/", web.account_deleted, name="deleted"),
]
public: list[URLPattern] = [
    path("certificates/key.pem", web.certificate_key, name="certificate-key"),
    path("certificates/<uuid:certificate_id>", web.certificate, name="certificate"),
]
