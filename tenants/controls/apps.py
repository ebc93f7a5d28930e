"""App configuration."""

from django.apps import AppConfig
from waffle.apps import WaffleConfig


class ControlsConfig(AppConfig):
    """Suspension, switches, flags and staff sessions."""

    name = "tenants.controls"
    label = "controls"
    default = True


class Waffle(WaffleConfig):
    """django-waffle with flags that list tenants: its signals are about lists of people."""

    def ready(self) -> None:
        """Connect nothing."""
