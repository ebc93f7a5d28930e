"""The base of every view under `/api/v1/`: actor, permission, idempotency, problem documents."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tenants import idempotency
from tenants.http import ActorAuthentication, ActorPermission


class TenantApiView(APIView):
    """A view of the tenant in scope.

    Subclasses state `permissions = {"GET": "data.read", "POST": "data.write"}` and define
    `get`, `post`... as usual. A POST with `Idempotency-Key` acts once and answers the same.
    """

    permissions: ClassVar[dict[str, str]] = {}
    authentication_classes = [ActorAuthentication]
    permission_classes = [ActorPermission]
    long_lived = False
    _record: Any = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate and authorise, then claim the idempotency key."""
        super().initial(request, *args, **kwargs)
        if request.method == "POST" and not self.long_lived:
            self._record, stored = idempotency.claim(request)
            if stored is not None:
                raise _Replay(stored)

    def handle_exception(self, exc: Exception) -> Response:
        """Turn a replay into its stored answer."""
        if isinstance(exc, _Replay):
            return exc.response
        return super().handle_exception(exc)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Store the answer of work that succeeded."""
        if self._record is not None and response.status_code < 400:
            idempotency.fill(self._record, response)
        return super().finalize_response(request, response, *args, **kwargs)


class _Replay(Exception):
    def __init__(self, response: Response) -> None:
        """Keep the stored answer."""
        super().__init__()
        self.response = response
