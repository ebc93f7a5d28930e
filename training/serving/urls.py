"""Addresses of deployments and predictions."""

from __future__ import annotations

from django.urls import URLPattern, path

from training.serving import api as views
from training.serving import web

pages: list[URLPattern] = [
    path("deployments/", web.deployment_list, name="list"),
    path("deployments/new", web.deployment_new, name="new"),
    path("deployments/<slug:name>/", web.deployment_detail, name="detail"),
    path("deployments/<slug:name>/stop", web.deployment_stop, name="stop"),
    path("deployments/<slug:name>/predict", web.deployment_predict, name="predict"),
]
api: list[URLPattern] = [
    path("deployments", views.DeploymentList.as_view(), name="deployments"),
    path("deployments/<slug:name>", views.DeploymentDetail.as_view(), name="deployment"),
    path("deployments/<slug:name>/predict", views.Predict.as_view(), name="deployment-predict"),
]
