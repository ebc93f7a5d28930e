"""The base of every view under `/api/v1/`: actor, permission, idempotency, problem documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tenants import idempotency
from tenants.http import ActorAuthentication, ActorPermission, actor_of
from tenants.models import IdempotencyRecord
from tenants.scoping.context import tenant_scope

MUTATING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
Keep = Callable[[Response], Response]


class TenantApiView(APIView):
    """A view of the tenant in scope.

    Subclasses state `permissions = {"GET": "data.read", "POST": "data.write"}` and define
    `get`, `post`... as usual. A POST, PUT, PATCH or DELETE with `Idempotency-Key` acts once and
    answers the same; a `long_lived` view does its work inside `with self.work(request) as keep`.
    `paid = True` says that its POST costs money: it is refused while limits can't be checked.
    """

    permissions: ClassVar[dict[str, str]] = {}
    authentication_classes = [ActorAuthentication]
    permission_classes = [ActorPermission]
    long_lived = False
    own_door = False
    paid = False
    _claim: idempotency.Claim | None = None
    _record: IdempotencyRecord | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate and authorise, then claim the idempotency key."""
        super().initial(request, *args, **kwargs)
        known = hasattr(self, str(request.method).lower())
        if request.method not in MUTATING or self.own_door or not known:
            return
        self._claim, stored = idempotency.asked(request), None
        if self._claim is None:
            return
        if self.long_lived:
            # Answered before: nothing is sent to the store a second time.
            with tenant_scope(actor_of(request).tenant_id):
                stored = idempotency.stored(self._claim)
        else:
            self._record, stored = idempotency.take(self._claim)
        if stored is not None:
            raise _Replay(stored)

    @contextmanager
    def work(self, request: Request) -> Iterator[Keep]:
        """Open the one transaction of a long-lived view's effect: scope, claim and answer in it.

        Yields:
            `keep`: to be called with the answer, inside the block; returns it.

        Raises:
            RuntimeError: The block ended well without an answer.
        """
        with tenant_scope(actor_of(request).tenant_id):
            record = None
            if self._claim is not None:
                record, stored = idempotency.take(self._claim)
                if stored is not None:
                    raise _Replay(stored)
            kept: list[Response] = []

            def keep(response: Response) -> Response:
                if record is not None:
                    idempotency.fill(record, response)
                kept.append(response)
                return response

            yield keep
            if not kept:
                raise RuntimeError("keep the answer inside the block")

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
