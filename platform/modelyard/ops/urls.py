"""Addresses of the console; the web process knows none of them."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from modelyard.ops.admin import site
from modelyard.web.views import livez

urlpatterns: list[URLPattern | URLResolver] = [
    path("livez", livez, name="livez"),
    path("", site.urls),
]
