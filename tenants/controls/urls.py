"""Addresses of staff sessions."""

from __future__ import annotations

from django.urls import URLPattern, path

from tenants.controls import web

public: list[URLPattern] = [
    path("support/end", web.leave, name="staff-leave"),
    path("support/<str:link>", web.enter, name="staff-enter"),
]
