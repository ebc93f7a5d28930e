"""One prediction for a caller: through the door, with what only we can add to its refusals."""

from __future__ import annotations

from billing import entitlements, plans
from modelyard.core import valkey
from modelyard.core.errors import QuotaExceeded, Unavailable
from tenants.scoping.context import tenant_scope
from training.serving import door, selectors, services
from training.serving.door import Answer, Visitor
from training.serving.rebuild import Caller

RING_EVERY_MS = 2000


def ask(
    *, caller: Caller, name: str, texts: list[str], idempotency_key: str | None = None
) -> Answer:
    """Return the metered answer of a deployment.

    Raises:
        DomainError: As `door.predict`; a refusal by the plan says where to upgrade, and a
            model that is not loaded is asked for.
    """
    try:
        return door.predict(
            digest=caller.digest,
            name=name,
            texts=texts,
            rebuild=caller,
            idempotency_key=idempotency_key,
            visitor=Visitor(caller.address, caller.on_rate),
        )
    except QuotaExceeded as error:
        most, standing = int(str(error.data["limit"])), int(str(error.data["used"]))
        raise entitlements.exceeded(
            caller.tenant(), plans.PREDICTIONS, most=most, standing=standing
        ) from error
    except Unavailable as error:
        if error.code == "not_loaded":
            _ask_for_load(caller, name)
        raise


def _ask_for_load(caller: Caller, name: str) -> None:
    """Ring the shard's worker, once in a while however many are waiting."""
    tenant_id = caller.tenant()
    mark = f"t:{tenant_id}:ring:{name}"
    if not valkey.serving().set(mark, "1", nx=True, px=RING_EVERY_MS):
        return
    with tenant_scope(tenant_id):
        row = selectors.deployment_find(name)
        if row is not None:
            services.ring("serving.load", row)
