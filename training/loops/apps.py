"""App configuration."""

from django.apps import AppConfig


class LoopsConfig(AppConfig):
    """The app of the loops."""

    name = "training.loops"
    label = "loops"
