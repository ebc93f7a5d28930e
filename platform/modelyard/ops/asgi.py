"""The console's process: one thread pool, since every page is an ordinary one."""

from __future__ import annotations

import os

from a2wsgi import WSGIMiddleware
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "modelyard.settings.ops")
application = WSGIMiddleware(get_wsgi_application(), workers=8)  # type: ignore[arg-type]
