"""App configuration."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """Plans, entitlements, ledger."""

    name = "billing"
    label = "billing"
