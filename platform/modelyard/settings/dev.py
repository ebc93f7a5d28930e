"""Development: the embedded stack, mail into files, readable logs."""

from modelyard.settings.base import *  # noqa: F403
from modelyard.settings.base import env

DEBUG = env.bool("DEBUG", default=False)
LOG_FORMAT = env("LOG_FORMAT", default="console")
