"""App configuration."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig, apps


class IdentityConfig(AppConfig):
    """People's sign-in; it has no tables of its own."""

    name = "tenants.identity"
    label = "identity"

    def ready(self) -> None:
        """Listen to changes of passwords and factors, where people can change them."""
        if apps.is_installed("allauth.usersessions"):
            import_module("tenants.identity.receivers").connect()
