"""Tests in process: the embedded stack's test login, quick hashes, tasks run at once."""

from modelyard.settings.base import *  # noqa: F403
from modelyard.settings.base import DATABASES, env

SECRET_KEY = env("SECRET_KEY", default="tests-only")
API_KEY_PEPPER = env("API_KEY_PEPPER", default="tests-only")
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
LOG_FORMAT = "console"
LOG_LEVEL = "WARNING"
DATABASES["default"]["CONN_MAX_AGE"] = 0
# Walks ask more in a second than a customer; tests of the limits set it back.
API_LIMITS_FACTOR = 1000.0
# Nine checks after each import are what tests of health are about, and nobody else.
CHECK_BY_ITSELF = False
