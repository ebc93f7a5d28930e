"""App configuration."""

from importlib import import_module

from django.apps import AppConfig


class MembersConfig(AppConfig):
    """People of a workspace."""

    name = "tenants.members"
    label = "members"

    def ready(self) -> None:
        """Listen for people who sign up by an invitation."""
        import_module("tenants.members.arrivals")
