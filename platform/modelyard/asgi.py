"""One port, three lanes: event streams on Django's ASGI, predictions and pages on thread pools.

Pages never go through Django's ASGI handler: with psycopg2 it opens a database login a
request (measured 31-43 requests/s against 240-490 through a thread pool).
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from a2wsgi import WSGIMiddleware
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "modelyard.settings.dev")
_events = get_asgi_application()

from modelyard.wsgi import application as _wsgi  # noqa: E402 - Django must be set up first

_predict = WSGIMiddleware(_wsgi, workers=64)  # type: ignore[arg-type]
_pages = WSGIMiddleware(_wsgi, workers=16)  # type: ignore[arg-type]
_EVENTS = re.compile(r"^/t/[^/]+/.+/events$")
_PREDICT = re.compile(r"/deployments/[^/]+/predict$")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Send each request down its lane."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    path: str = scope["path"]
    if _EVENTS.match(path):
        await _events(scope, receive, send)  # type: ignore[arg-type]
    elif _PREDICT.search(path):
        await _predict(scope, receive, send)  # type: ignore[arg-type]
    else:
        await _pages(scope, receive, send)  # type: ignore[arg-type]
