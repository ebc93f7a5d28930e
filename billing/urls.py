"""Addresses of usage, plans and payments."""

from __future__ import annotations

from django.urls import URLPattern, path

from billing import api as views
from billing import web, webhooks

public: list[URLPattern] = [
    path("pricing", web.pricing, name="pricing"),
    # Before allauth's own, which it hands on to.
    path("accounts/signup/", web.sign_up),
    path("stripe/webhook", webhooks.stripe_webhook, name="stripe-webhook"),
]
pages: list[URLPattern] = [
    path("usage/", web.usage_index, name="index"),
    path("usage/checkout", web.checkout, name="checkout"),
    path("usage/portal", web.portal, name="portal"),
    path("usage/export.csv", web.usage_export, name="export"),
]
api: list[URLPattern] = [
    path("usage", views.Usage.as_view(), name="usage"),
    path("usage/entries", views.EntryList.as_view(), name="usage-entries"),
]
