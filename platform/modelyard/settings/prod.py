"""Production: refuses to start without its secrets."""

from django.core.exceptions import ImproperlyConfigured

from modelyard.settings.base import *  # noqa: F403
from modelyard.settings.base import env

for _name in (
    "SECRET_KEY",
    "API_KEY_PEPPER",
    "DATABASE_URL",
    "BROKER_URL",
    "S3_ACCESS_KEY",
    "S3_SECRET_KEY",
    "SITE_URL",
):
    if not env(_name, default=""):
        raise ImproperlyConfigured(f"set {_name}: see docs/settings.md")

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = False
