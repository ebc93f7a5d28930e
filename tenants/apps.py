"""App configuration."""

from importlib import import_module

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """People, tenants and access."""

    name = "tenants"
    label = "tenants"

    def ready(self) -> None:
        """Register the OpenAPI extension, which counts from its import on."""
        import_module("tenants.schema")
