"""The WSGI application (used inside `modelyard.asgi`, and by any WSGI server)."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "modelyard.settings.dev")
application = get_wsgi_application()
