"""App configuration."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """The app of jobs."""

    name = "training.jobs"
    label = "jobs"
