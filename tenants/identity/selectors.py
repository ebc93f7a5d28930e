"""Reads of a person's own account."""

from __future__ import annotations

from allauth.usersessions.models import UserSession
from django.http import HttpRequest

from tenants.identity.types import Device
from tenants.models import User

# The first that is in the header; the order matters, since browsers name each other.
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def _named(user_agent: str, names: tuple[tuple[str, str], ...]) -> str:
    return next((name for mark, name in names if mark in user_agent), "")


def device_list(request: HttpRequest, *, user: User) -> list[Device]:
    """Return where the person is signed in: this device first, then the last used."""
    rows = UserSession.objects.purge_and_list(user)
    devices = [
        Device(
            id=row.pk,
            browser=_named(row.user_agent, BROWSERS),
            system=_named(row.user_agent, SYSTEMS),
            ip=row.ip,
            since=row.created_at,
            seen=row.last_seen_at,
            current=row.session_key == request.session.session_key,
        )
        for row in rows
    ]
    return sorted(devices, key=lambda one: (one.current, one.seen), reverse=True)
