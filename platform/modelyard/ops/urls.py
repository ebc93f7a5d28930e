"""Addresses of the console; the web process knows none of them."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path
from django.views.i18n import set_language

from modelyard.ops import admin_letters, admin_switches
from modelyard.ops.admin import site
from modelyard.web.views import livez

urlpatterns: list[URLPattern | URLResolver] = [
    path("livez", livez, name="livez"),
    path("language/", set_language, name="set_language"),
    path("letters/", site.admin_view(admin_letters.letters_view), name="letters"),
    path(
        "letters/<slug:kind>/<slug:code>/replay/",
        site.admin_view(admin_letters.replay_view),
        name="letters_replay",
    ),
    path("switches/", site.admin_view(admin_switches.switches_view), name="switches"),
    path("switches/<slug:name>/", site.admin_view(admin_switches.switch_view), name="switch_set"),
    path("flags/", site.admin_view(admin_switches.flags_view), name="flags"),
    path("flags/<slug:act>/", site.admin_view(admin_switches.flag_view), name="flag_act"),
    path("", site.urls),
]
