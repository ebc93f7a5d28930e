"""Headers that every answer carries, static files and errors included."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

# What no page of ours uses; passkeys and the copy buttons are what they do use.
_NOTHING = (
    *("accelerometer", "autoplay", "camera", "display-capture", "fullscreen"),
    *("geolocation", "gyroscope", "hid", "magnetometer", "microphone", "midi", "payment"),
    *("screen-wake-lock", "serial", "usb", "xr-spatial-tracking"),
)
_OWN = ("clipboard-write", "publickey-credentials-create", "publickey-credentials-get")
PERMISSIONS = ", ".join(
    [*(f"{name}=()" for name in _NOTHING), *(f"{name}=(self)" for name in _OWN)]
)


class HeadersMiddleware:
    """Set what Django has no setting for: `Permissions-Policy` and the resource policy."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Add the headers."""
        response = self.get_response(request)
        response.headers["Permissions-Policy"] = PERMISSIONS
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response
