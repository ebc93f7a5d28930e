"""App configuration."""

from django.apps import AppConfig


class OpsConfig(AppConfig):
    """The operators' console; its pages are served by `settings.ops` only."""

    name = "modelyard.ops"
    label = "ops"
