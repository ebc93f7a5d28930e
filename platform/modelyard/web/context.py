"""What every page's frame needs: the workspace, the person's workspaces, theme, languages."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import get_language_info

from modelyard.web import selectors
from tenants.controls import switches
from tenants.models import User
from tenants.selectors import membership_list

THEMES = ("yard", "yard-dark")


def theme_of(request: HttpRequest) -> str:
    """Return the theme the person chose, or '' to follow the system."""
    chosen = request.COOKIES.get("theme", "")
    return chosen if chosen in THEMES else ""


def shell(request: HttpRequest) -> dict[str, object]:
    """Return the frame's context."""
    tenant = getattr(request, "tenant", None)
    user = getattr(request, "user", None)
    places = (
        [{"slug": row.tenant.slug, "name": row.tenant.name} for row in membership_list(user=user)]
        if isinstance(user, User)
        else []
    )
    return {
        "tenant": tenant,
        "memberships": places,
        "theme": theme_of(request),
        "languages": [
            (code, get_language_info(code)["name_local"]) for code, _ in settings.LANGUAGES
        ],
        "stopped": switches.stopped(),
        "staff_session": getattr(request, "staff_session", None),
        "suspension": getattr(request, "suspension", None),
        "sells": settings.BILLING != "off",
        "nav_counts": selectors.nav_counts(tenant.pk) if tenant else {},
    }
