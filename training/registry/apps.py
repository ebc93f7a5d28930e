"""App configuration."""

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    """The app of registry."""

    name = "training.registry"
    label = "registry"
