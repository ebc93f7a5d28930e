"""App configuration."""

from django.apps import AppConfig


class RightsConfig(AppConfig):
    """Export, deletion and retention of a tenant's data."""

    name = "tenants.rights"
    label = "rights"
