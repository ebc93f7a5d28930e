"""App configuration: logs, and the tasks of every app registered under their names."""

from django.apps import AppConfig
from django.conf import settings
from django.utils.module_loading import autodiscover_modules

from modelyard.core import observe, queue


class CoreConfig(AppConfig):
    """The tenant-free core."""

    name = "modelyard.core"
    label = "core"

    def ready(self) -> None:
        """Set the logs up, then Celery, and import every app's `tasks`, so that names resolve."""
        observe.configure(level=settings.LOG_LEVEL, style=settings.LOG_FORMAT)
        queue.app.set_default()
        autodiscover_modules("tasks")
