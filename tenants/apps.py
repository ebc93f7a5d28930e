"""App configuration."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """People, tenants and access."""

    name = "tenants"
    label = "tenants"
