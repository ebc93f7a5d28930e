"""App configuration."""

from django.apps import AppConfig
from django.contrib.staticfiles.apps import StaticFilesConfig


class WebConfig(AppConfig):
    """The shell around all pages."""

    name = "modelyard.web"
    label = "web"


class StaticFiles(StaticFilesConfig):
    """Django's static files, without the sources that `make css` and `make vendor` compile."""

    ignore_patterns = [
        *StaticFilesConfig.ignore_patterns,
        "input.css",
        "build.mjs",
    ]
