"""App configuration."""

from django.apps import AppConfig


class LabelingConfig(AppConfig):
    """The app of labelling."""

    name = "training.labeling"
    label = "labeling"
