"""How OpenAPI describes our authentication: a bearer key."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """`Authorization: Bearer mdy_...`."""

    target_class = "tenants.http.ActorAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the security scheme object."""
        del auto_schema
        return {"type": "http", "scheme": "bearer", "bearerFormat": "mdy_..."}
