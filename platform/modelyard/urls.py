"""The composition root of all addresses.

Pages live under `/t/<slug>/` (a member's session), the API under `/api/v1/` (a key); the same
API is mounted a second time under `/t/<slug>/api/v1/` for our own pages.
"""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularJSONAPIView

from billing import urls as billing
from modelyard.web import urls as web
from tenants import urls as tenants
from tenants.controls import urls as controls
from tenants.identity import urls as identity
from tenants.members import urls as members
from tenants.rights import urls as rights
from tenants.trail import urls as trail
from training.datasets import urls as datasets
from training.jobs import urls as jobs
from training.labeling import urls as labeling
from training.loops import urls as loops
from training.registry import urls as registry
from training.serving import urls as serving

Patterns = list[URLPattern | URLResolver]

_api: Patterns = [
    *tenants.api,
    *members.api,
    *rights.api,
    *trail.api,
    *datasets.api,
    *labeling.api,
    *jobs.api,
    *registry.api,
    *serving.api,
    *loops.api,
    *billing.api,
]
_pages: Patterns = [
    path("", include((web.pages, "web"))),
    path("", include((tenants.pages, "keys"))),
    path("", include((members.pages, "members"))),
    path("", include((rights.pages, "rights"))),
    path("", include((trail.pages, "trail"))),
    path("", include((datasets.pages, "datasets"))),
    path("", include((labeling.pages, "labeling"))),
    path("", include((loops.pages, "loops"))),
    path("", include((jobs.pages, "runs"))),
    path("", include((registry.pages, "models"))),
    path("", include((serving.pages, "deployments"))),
    path("", include((billing.pages, "usage"))),
    path("api/v1/", include((_api, "tenant-api"))),
]

urlpatterns: Patterns = [
    *web.public,
    *billing.public,
    *members.public,
    *rights.public,
    *controls.public,
    path("accounts/", include((identity.account, "identity"))),
    path("accounts/", include((rights.account, "person"))),
    path("accounts/", include("allauth.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("t/<slug:slug>/", include(_pages)),
    path("api/v1/", include((_api, "api"))),
    path("api/openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
]

handler400 = "modelyard.core.http.problem.bad_request"
handler403 = "modelyard.core.http.problem.forbidden"
handler404 = "modelyard.core.http.problem.not_found"
handler429 = "modelyard.core.http.problem.too_many"  # allauth's
handler500 = "modelyard.core.http.problem.server_error"
