"""App configuration."""

from django.apps import AppConfig


class DatasetsConfig(AppConfig):
    """The app of datasets."""

    name = "training.datasets"
    label = "datasets"
