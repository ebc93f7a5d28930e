"""App configuration."""

from django.apps import AppConfig


class ServingConfig(AppConfig):
    """The app of serving."""

    name = "training.serving"
    label = "serving"
