"""App configuration."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """The shell around all pages."""

    name = "modelyard.web"
    label = "web"
