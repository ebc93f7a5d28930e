"""The console's settings with a quick hash of passwords, for tests that sign in a lot."""

from modelyard.settings.ops import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
