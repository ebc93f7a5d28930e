"""App configuration."""

from django.apps import AppConfig


class DoctorConfig(AppConfig):
    """The operator's doctor; it has no tables and no pages."""

    name = "modelyard.doctor"
    label = "doctor"
