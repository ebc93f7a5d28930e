"""App configuration."""

from django.apps import AppConfig


class LoopsConfig(AppConfig):
    """The app of the loops; it has no tables of its own."""

    name = "training.loops"
    label = "loops"
