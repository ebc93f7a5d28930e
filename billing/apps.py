"""App configuration."""

from importlib import import_module

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """Plans, entitlements, ledger."""

    name = "billing"
    label = "billing"

    def ready(self) -> None:
        """Let billing answer for the seats of the plans."""
        import_module("billing.entitlements")
