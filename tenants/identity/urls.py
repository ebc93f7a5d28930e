"""Addresses of a person's own account, before allauth's under `/accounts/`."""

from __future__ import annotations

from allauth.account.views import PasswordSetView
from django.urls import URLPattern, path

from tenants.identity import web
from tenants.identity.fresh import recently_authenticated

account: list[URLPattern] = [
    path("name/", web.name_change, name="name"),
    path("again/", web.again, name="again"),
    # allauth's own takes a first password without asking who it is.
    path("password/set/", recently_authenticated(PasswordSetView.as_view()), name="password-set"),
    path("sessions/", web.device_list, name="devices"),
    path("sessions/end/", web.devices_end, name="devices-end"),
    path("sessions/<int:device_id>/end/", web.device_end, name="device-end"),
]
