"""App configuration."""

from django.apps import AppConfig


class TrailConfig(AppConfig):
    """The app of the audit trail."""

    name = "tenants.trail"
    label = "trail"
